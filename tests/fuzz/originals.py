"""Small whole files of every kind that is read, from which mutants are made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from remodal.geometry.volume import Geometry, Volume, to_sitk
from tests.known_body import (
    ball,
    centres,
    multi_frame,
    plane,
    segmentation,
    structure_set,
    write_slices,
)

SLICES = 5
#: Planes of all originals.
PLANES = [plane((-20.0, 10.0, 12.0 + 5 * index)) for index in range(SLICES)]


@dataclass(frozen=True)
class Original:
    """Files by name, which of them a source is, and whether they are a label."""

    name: str
    files: dict[str, bytes]
    source: str
    label: bool = False


def grid() -> Geometry:
    """The grid of all originals."""
    one = PLANES[0]
    return Geometry((SLICES, *one.shape[1:]), one.spacing, one.origin, one.direction)


def originals(folder: Path) -> Iterator[Original]:
    """All originals, written into a folder."""
    yield from _series(folder)
    yield from _drawn(folder)
    noise = np.random.default_rng(5).integers(-900, 1200, grid().shape, np.int16)
    image = to_sitk(Volume(noise, grid()))
    label = to_sitk(Volume(ball(centres(grid())).astype(np.uint8), grid()))
    for is_label, volume in ((False, image), (True, label)):
        for name, packed in (
            *(("v.nii", False), ("v.nii.gz", True), ("v.hdr", False), ("v.nrrd", False)),
            *(("v.nrrd", True), ("v.mha", False), ("v.mha", True), ("v.mhd", False)),
        ):
            words = f"{'label' if is_label else 'image'} {name}{' packed' * packed}"
            made = folder / words.replace(" ", "-")
            made.mkdir()
            sitk.WriteImage(volume, str(made / name), useCompression=packed)
            yield Original(words, _content(made), name, is_label)
    for key, value in {"ID": "Segment_1", "Name": "ball", "LabelValue": "1", "Layer": "0"}.items():
        label.SetMetaData(f"Segment0_{key}", value)
    made = folder / "slicer"
    made.mkdir()
    sitk.WriteImage(label, str(made / "v.seg.nrrd"), useCompression=True)
    yield Original("label v.seg.nrrd packed", _content(made), "v.seg.nrrd", True)


def _series(folder: Path) -> Iterator[Original]:
    encodings: dict[str, Callable[[Dataset], None]] = {
        "explicit": lambda dataset: None,
        "implicit": _stored_as(ImplicitVRLittleEndian),
        "deflated": _stored_as(DeflatedExplicitVRLittleEndian),
        "big endian": _big_endian,
        "run lengths": lambda dataset: dataset.compress(RLELossless),
        "JPEG-LS": lambda dataset: dataset.compress(JPEGLSLossless),
        "JPEG 2000": lambda dataset: dataset.compress(JPEG2000Lossless),
    }
    noise = np.random.default_rng(7).integers(-900, 1200, grid().shape)
    for name, encode in encodings.items():
        made = folder / f"series-{name.replace(' ', '-')}"

        def change(dataset: Dataset, index: int, encode=encode) -> None:
            dataset.PixelData = (noise[index] + 1024).astype("<u2").tobytes()
            encode(dataset)

        write_slices(made, PLANES, change=change)
        yield Original(f"series {name}", _content(made), ".")
    made, slices = folder / "frames", write_slices(folder / "of-frames", PLANES)
    made.mkdir()
    for dataset, plane_values in zip(slices, noise):
        dataset.PixelData = (plane_values + 1024).astype("<u2").tobytes()
    multi_frame(slices).save_as(made / "frames.dcm", enforce_file_format=True)
    yield Original("series of frames", _content(made), "frames.dcm")


def _stored_as(syntax: str) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


def _big_endian(dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()


def _drawn(folder: Path) -> Iterator[Original]:
    for name, draw in (("SEG", segmentation), ("RTSTRUCT", structure_set)):
        for syntax in (None, DeflatedExplicitVRLittleEndian):
            made = folder / f"{name}-{syntax}"
            made.mkdir()
            drawn = draw(PLANES)
            if syntax:
                drawn.file_meta.TransferSyntaxUID = syntax
            drawn.save_as(made / "drawn.dcm", enforce_file_format=True)
            words = f"{name}{' deflated' if syntax else ''}"
            yield Original(words, _content(made), "drawn.dcm", label=True)


def _content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
