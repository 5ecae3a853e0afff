"""A DICOM series into a volume: sorted by geometry, checked, in rescaled values."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.intake.headers import quiet_pydicom
from remodal.intake.slices import Slice, files_of, read_slices
from remodal.intake.stack import check_series, grid_of, same_places, sort_slices
from remodal.volume import Volume

_THREADS = 2
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class Series:
    """A series that was read.

    `volume` is in rescaled values (HU): int16 where they fit, else float32. `tags` are of the first
    slice and hold nothing that identifies the patient. `sha256` covers the files' content, not
    their names or order.
    """

    volume: Volume
    tags: dict[str, Any]
    sha256: str
    warnings: list[str]


def read_series(source: Path) -> Series:
    """Read the one DICOM series of a folder, or an enhanced multi-frame file.

    Slices are ordered by their positions. Compressed transfer syntaxes are decoded, a rescale that
    changes from slice to slice is applied slice by slice, slices that are there twice are used
    once. UIDs may be blank.

    Raises:
        BadCase: with the reason, which names neither file names nor values of the header.
    """
    slices, warnings = read_slices(files_of(source))
    check_series(slices)
    slices, heights = sort_slices(slices)
    stored, digests = _read_stored(slices)
    slices, stored, copies = _without_copies(slices, heights, stored)
    warnings += copies
    geometry, uneven = grid_of(slices)
    warnings += uneven
    if len({(one.slope, one.intercept) for one in slices}) > 1:
        warnings.append("the rescale differs from slice to slice (applied slice by slice)")
    return Series(
        volume=Volume(rescaled(stored, slices), geometry),
        tags=slices[0].tags,
        sha256=digest_of(digests),
        warnings=warnings,
    )


def digest_of(digests: list[str]) -> str:
    """One SHA-256 of several files: of their sorted digests, one a line; a single file's own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _read_stored(slices: list[Slice]) -> tuple[np.ndarray, list[str]]:
    """Stored values (z, y, x) in the order of `slices`, and each file's SHA-256."""
    kind = np.result_type(*{one.stored for one in slices})
    stored = np.empty((len(slices), slices[0].rows, slices[0].columns), kind)
    if _are_plain(slices, kind):
        # Reading and hashing release the interpreter's lock.
        with ThreadPoolExecutor(_THREADS) as pool:
            return stored, list(pool.map(_read_into, stored, slices))
    indexed = sorted(enumerate(slices), key=lambda pair: (pair[1].file_number, pair[1].frame))
    files = groupby(indexed, key=lambda pair: pair[1].file_number)
    return stored, [_read_frames(stored, list(frames)) for _, frames in files]


def _are_plain(slices: list[Slice], kind: np.dtype) -> bool:
    """Whether each slice lies in a file of its own, byte by byte as in an array of `kind`."""
    as_in_array = all(one.pixels_at is not None and one.stored == kind for one in slices)
    alone = len({one.file_number for one in slices}) == len(slices)
    return as_in_array and alone and sys.byteorder == "little"


def _read_into(plane: np.ndarray, one: Slice) -> str:
    """Read a plain slice straight into its plane; the file's SHA-256."""
    digest = hashlib.sha256()
    with open(one.file, "rb", buffering=0) as file:
        digest.update(file.read(one.pixels_at))
        present = file.readinto(memoryview(plane).cast("B"))
        _require_whole(one, present)
        digest.update(plane)
        digest.update(file.read())
    return digest.hexdigest()


def _read_frames(stored: np.ndarray, frames: list[tuple[int, Slice]]) -> str:
    """Read the frames of one file, in any encoding; the file's SHA-256."""
    data = frames[0][1].file.read_bytes()
    planes = _planes(data, [one for _, one in frames])
    for (index, one), plane in zip(frames, planes):
        if plane.size != one.rows * one.columns:
            raise BadCase(f"the pixels of file {one.file_number} (by name) have another size")
        stored[index] = plane.reshape(one.rows, one.columns)
    return hashlib.sha256(data).hexdigest()


def _planes(data: bytes, frames: list[Slice]) -> list[np.ndarray]:
    """Stored values of the frames of one file, whose content is `data`."""
    if any(one.pixels_at is None for one in frames):
        return _decoded(data, frames)
    planes = []
    for one in frames:
        _require_whole(one, len(data) - one.pixels_at)
        count = one.rows * one.columns
        planes.append(np.frombuffer(data, one.stored.newbyteorder("<"), count, one.pixels_at))
    return planes


def _require_whole(one: Slice, present: int) -> None:
    expected = one.rows * one.columns * one.stored.itemsize
    if present < expected:
        raise BadCase(
            f"file {one.file_number} (by name) is cut short: {max(0, present)} of {expected} "
            "bytes of pixels",
            remedy="copy the series again",
        )


def _decoded(data: bytes, frames: list[Slice]) -> list[np.ndarray]:
    """Stored values of the frames of a file that is compressed or in an odd byte order.

    pydicom decodes what it has a decoder for (JPEG 2000, RLE, deflated); SimpleITK (GDCM) the rest
    (JPEG lossless, JPEG-LS).

    Raises:
        BadCase: damaged, or a compression that neither knows.
    """
    import pydicom

    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(BytesIO(data), force=True)
            if _pydicom_decodes(dataset):
                decode = pydicom.pixels.pixel_array
                return [decode(dataset, index=one.frame, raw=True) for one in frames]
        return [_decoded_by_sitk(one) for one in frames]
    except BadCase:
        raise
    except Exception as error:
        # Decoders of damaged data raise whatever they like.
        raise BadCase(
            f"the pixels of file {frames[0].file_number} (by name) cannot be decoded",
            expected="whole files in a standard transfer syntax",
            remedy="copy the series again, or decompress it (gdcmconv --raw)",
        ) from error


def _pydicom_decodes(dataset: Any) -> bool:
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_encapsulated:
        return True
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _decoded_by_sitk(one: Slice) -> np.ndarray:
    import SimpleITK as sitk

    rescaled = (one.slope, one.intercept) != (1.0, 0.0)
    if one.frame or (rescaled and one.tags.get("Modality") != "CT"):
        # GDCM applies the rescale by rules of its own outside CT: the values would be a guess.
        raise BadCase(
            "this compression is supported for single-frame CT only",
            remedy="decompress the series first (gdcmconv --raw)",
        )
    image = sitk.ReadImage(str(one.file), imageIO="GDCMImageIO")
    values = sitk.GetArrayFromImage(image)
    return np.rint((values - one.intercept) / one.slope).astype(one.stored)


def _without_copies(
    slices: list[Slice], heights: np.ndarray, stored: np.ndarray
) -> tuple[list[Slice], np.ndarray, list[str]]:
    """Drop exact copies of slices; different slices at one place are an error."""
    places = same_places(heights)
    if not places:
        return slices, stored, []
    for first, *others in places:
        for other in others:
            same_scale = (slices[first].slope, slices[first].intercept) == (
                slices[other].slope,
                slices[other].intercept,
            )
            if not same_scale or not np.array_equal(stored[first], stored[other]):
                raise BadCase(
                    f"duplicates: {len(places)} places hold several different slices",
                    expected="one slice a place",
                    remedy="split the phases, echoes or time points into folders of their own",
                )
    copies = {other for _, *others in places for other in others}
    kept = [index for index in range(len(slices)) if index not in copies]
    if len(kept) == 1:
        raise BadCase("the series has 1 slice and copies of it", expected="at least 2 places")
    warning = f"left out: copies of slices ({len(copies)})"
    return [slices[index] for index in kept], stored[kept], [warning]


def rescaled(stored: np.ndarray, slices: list[Slice]) -> np.ndarray:
    """Apply each slice's rescale: int16 where whole numbers fit, else float32.

    Args:
        stored: stored values (z, y, x), overwritten.
        slices: their slices, in order.
    """
    slopes = np.array([one.slope for one in slices])
    intercepts = np.array([one.intercept for one in slices])
    ends = np.stack([stored.min(axis=(1, 2)), stored.max(axis=(1, 2))]) * slopes + intercepts
    whole = np.all(slopes % 1 == 0) and np.all(intercepts % 1 == 0)
    if not whole or ends.min() < _INT16.min or ends.max() > _INT16.max:
        scaled = stored * slopes[:, None, None] + intercepts[:, None, None]
        return scaled.astype(np.float32)
    # Sixteen-bit arithmetic wraps around, so the result is right once it is known to fit.
    values = stored.view(np.int16) if stored.dtype.itemsize == 2 else stored.astype(np.int64)
    if np.any(slopes != 1):
        values = values * slopes.astype(np.int64).astype(values.dtype)[:, None, None]
    if len(set(intercepts.tolist())) > 1 or intercepts[0] != 0:
        np.add(values, intercepts.astype(np.int64).astype(values.dtype)[:, None, None], out=values)
    return values.astype(np.int16, copy=False)
