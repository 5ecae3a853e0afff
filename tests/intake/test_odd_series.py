"""A corpus of odd series: each is converted to known values, or refused with a reason."""

import json
import re
import resource
import struct
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from tests.dicom_series import SECRETS
from tests.known_body import SHAPE, centres, multi_frame, plane, write_slices

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.convert import convert_image
from remodal.intake.nifti import read_volume
from remodal.intake.slice_places import SlicePlaces

COUNT, STEP = 8, 5.0
EVEN = [plane((-20.0, 10.0, STEP * index)) for index in range(COUNT)]


def values(points: np.ndarray) -> np.ndarray:
    """HU that are known everywhere, air in a corner."""
    return -1000 + (points - [-20, 10, 0]) @ [2.0, 3.0, 1.0]


@dataclass(frozen=True)
class Odd:
    """A series, and its end.

    Attributes:
        what: what is odd.
        make: writes it into a folder.
        note: expected among the notes, if it is converted; empty: no note.
        refused: the reason, if it is not.
        end: of its path, which chooses one of several images.
        compared: whether voxels and place are compared with the known values.
    """

    what: str
    make: Callable[[Path], object]
    note: str = ""
    refused: str = ""
    end: str = ""
    compared: bool = True


def planes(heights, tilt=0.0):
    return lambda folder: write_slices(folder, _at(heights, tilt), values)


def _at(heights, tilt=0.0):
    return [plane((-20.0, 10.0, float(z)), tilt) for z in heights]


def each(change):
    """All slices changed alike."""
    return lambda folder: write_slices(folder, EVEN, values, lambda dataset, index: change(dataset))


def one(change, which=3):
    """One slice changed."""

    def at(dataset, index):
        if index == which:
            change(dataset)

    return lambda folder: write_slices(folder, EVEN, values, at)


def put(**elements):
    """A change that sets elements, or removes those that are None."""

    def change(dataset):
        for keyword, value in elements.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)

    return change


def without(*indices):
    def make(folder):
        for dataset in write_slices(folder, EVEN, values):
            if dataset.InstanceNumber - 1 in indices:
                dataset.filename.unlink()

    return make


def moved(which, by):
    def change(dataset):
        place = np.array(dataset.ImagePositionPatient, float) + by
        dataset.ImagePositionPatient = place.tolist()

    return one(change, which)


def moved_table(dataset, index):
    if index > 3:
        moved_by = np.add([12.0, 0, 0], dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = moved_by.tolist()


def oriented(along, down):
    """A stack of other axes."""

    def make(folder):
        axes = np.stack([along, down, np.cross(along, down)], axis=1)
        size = np.array([1.5, 1.2, STEP]) * [SHAPE[1] - 1, SHAPE[0] - 1, COUNT - 1]
        start = [-20, 10, 0] - np.minimum(axes, 0) @ size
        steps = [start + STEP * index * axes[:, 2] for index in range(COUNT)]
        grids = [
            Geometry(
                (1, *SHAPE), (1.5, 1.2, STEP), tuple(at.tolist()), tuple(axes.ravel().tolist())
            )
            for at in steps
        ]
        write_slices(folder, grids, values)

    return make


def stored_as(syntax):
    def change(dataset):
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == uid.ExplicitVRBigEndian:
            words = np.frombuffer(dataset.PixelData, "<u2")
            dataset.PixelData = words.astype(">u2").tobytes()

    return each(change)


def compressed(syntax):
    return each(lambda dataset: dataset.compress(syntax))


def unknown(dataset):
    dataset.compress(uid.RLELossless)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"


def mixed(dataset, index):
    if index % 3 == 1:
        dataset.compress(uid.RLELossless)
    elif index % 3 == 2:
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian


def pixels(kind, bits, intercept=-1024, slope=1):
    """Other stored numbers for the same values."""

    def change(dataset):
        hu = np.frombuffer(dataset.PixelData, "<u2").astype(int) - 1024
        dataset.PixelData = ((hu - intercept) // slope).astype(kind).tobytes()
        dataset.BitsAllocated = dataset.BitsStored = np.dtype(kind).itemsize * 8
        dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        dataset.PixelRepresentation = int(np.dtype(kind).kind == "i")
        dataset.RescaleIntercept, dataset.RescaleSlope = intercept, slope

    return change


def per_slice(dataset, index):
    pixels("<u2", 16, -1024 - 10 * index)(dataset)


def overlaid(dataset):
    words = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
    dataset.PixelData = words.tobytes()


def padded(dataset):
    """A border that lies outside the field of view."""
    pixels("<i2", 16, 0)(dataset)
    words = np.frombuffer(dataset.PixelData, "<i2").reshape(SHAPE).copy()
    words[:2] = -2000
    dataset.PixelData = words.tobytes()
    dataset.add_new("PixelPaddingValue", "SS", -2000)


def beside(name, content):
    """Another file in the folder."""

    def make(folder):
        slices = write_slices(folder, EVEN, values)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            return
        other = deepcopy(slices[0])
        other.SOPInstanceUID = uid.generate_uid()
        content(other)
        other.save_as(folder / name, enforce_file_format=True)

    return make


def scout(dataset):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.SeriesInstanceUID = uid.generate_uid()


def screenshot(dataset):
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SeriesInstanceUID = uid.generate_uid()
    del dataset["ImagePositionPatient"]


def report(dataset):
    dataset.Modality, dataset.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.67"
    for keyword in ("Rows", "Columns", "PixelData"):
        del dataset[keyword]


def copies(folder):
    for dataset in write_slices(folder, EVEN, values)[2:4]:
        (folder / f"copy-{dataset.filename.name}").write_bytes(dataset.filename.read_bytes())


def two_at_a_place(folder):
    second = write_slices(folder, EVEN, values)[3]
    second.PixelData = bytes(len(second.PixelData))
    second.save_as(folder / "second.dcm", enforce_file_format=True)


def several(change, shared=True, heights=None):
    """Two images in one folder; the first has the known values."""

    def make(folder):
        first = write_slices(folder / "a", EVEN, values, lambda dataset, at: change(dataset, 0))
        second = EVEN if heights is None else _at(heights)

        def changed(dataset, index):
            if shared:
                dataset.SeriesInstanceUID = first[0].SeriesInstanceUID
            change(dataset, 1)

        write_slices(folder / "b", second, lambda points: values(points) + 40, changed)

    return make


def kernel(dataset, number):
    dataset.ConvolutionKernel = ("B30f", "B70f")[number]


def phase(dataset, number):
    dataset.TemporalPositionIdentifier = number + 1


def numbered(dataset, number):
    dataset.SeriesNumber = number + 1


def order(dataset, number):
    dataset.InstanceNumber = int(dataset.InstanceNumber) + 100 * number


def blank(*keywords):
    return each(put(**dict.fromkeys(keywords, "")))


def bytes_of(which, change):
    """One file changed as bytes."""

    def make(folder):
        file = write_slices(folder, EVEN, values)[which].filename
        file.write_bytes(change(file.read_bytes()))

    return make


def bare(folder):
    """Neither preamble nor group 2."""
    for dataset in write_slices(folder, EVEN, values):
        file = dataset.filename
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(file, implicit_vr=True, little_endian=True)


def nested(folder):
    """Folders in folders, names without an end, a link that leads back."""
    for number, dataset in enumerate(write_slices(folder, EVEN, values)):
        place = folder / f"{number % 2}" / "IMAGES"
        place.mkdir(parents=True, exist_ok=True)
        dataset.filename.rename(place / f"I{100 - number}")
    (folder / "0" / "back").symlink_to(folder)


def enhanced(change=lambda whole: None, shuffled=False, times=1):
    """One multi-frame file."""

    def make(folder):
        slices = write_slices(folder, EVEN, values) * times
        for file in list(folder.iterdir()):
            file.unlink()
        frames = np.random.default_rng(2).permutation(COUNT) if shuffled else range(len(slices))
        whole = multi_frame([slices[frame] for frame in frames])
        change(whole)
        whole.save_as(folder / "enhanced.dcm", enforce_file_format=True)

    return make


def hostile(dataset):
    dataset.PatientID, dataset.StudyID = "../../x", "; rm -rf /"
    dataset.PatientName = "'; DROP TABLE patients; --"
    dataset.SeriesDescription = "<script>alert(1)</script>"
    dataset.StudyDescription = "$(touch hacked) `touch hacked`"
    dataset.Manufacturer = "=HYPERLINK(1)"
    dataset.ConvolutionKernel = "../../../etc/passwd"
    dataset.add_new("ImageComments", "LT", "A" * 65000)


def deep(dataset):
    """A private sequence, a hundred levels deep."""
    item = Dataset()
    for _ in range(100):
        outer = Dataset()
        outer.add_new(0x00091001, "SQ", [item])
        item = outer
    dataset.add_new(0x00091001, "SQ", [item])


def forged(folder):
    """Some hundred bytes that claim to be 65535 x 65535 x 1000 voxels."""
    claim = Dataset()
    claim.file_meta = FileMetaDataset()
    claim.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    claim.SOPClassUID = claim.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
    claim.SOPInstanceUID = claim.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    claim.Modality, claim.SeriesInstanceUID = "CT", "1.2"
    claim.Rows = claim.Columns = 65535
    claim.BitsAllocated = claim.BitsStored = 16
    claim.HighBit, claim.PixelRepresentation, claim.SamplesPerPixel = 15, 0, 1
    claim.PhotometricInterpretation = "MONOCHROME2"
    claim.ImageOrientationPatient, claim.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
    claim.PixelData = bytes(16)
    folder.mkdir()
    for number in range(100):
        claim.ImagePositionPatient, claim.InstanceNumber = [0, 0, number], number + 1
        claim.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def bomb(folder):
    """Two slices, of which one would become 512 MB."""
    _, second = write_slices(folder, EVEN[:2], values)
    second.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    del second["PixelData"]
    second.save_as(second.filename, enforce_file_format=True)
    data = second.filename.read_bytes()
    content_at = 132 + 12 + struct.unpack_from("<I", data, 140)[0]
    element = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 2**29)
    pack = zlib.compressobj(level=1, wbits=-15)
    packed = pack.compress(zlib.decompress(data[content_at:], -15) + element)
    packed += b"".join(pack.compress(bytes(1 << 20)) for _ in range(512)) + pack.flush()
    second.filename.write_bytes(data[:content_at] + packed)


CORPUS = [
    # Places
    Odd("a gantry tilted forwards", planes(STEP * np.arange(COUNT), 15), "tilted gantry"),
    Odd("a gantry tilted backwards", planes(STEP * np.arange(COUNT), -20), "tilted gantry"),
    Odd("slices that lean too far", planes(STEP * np.arange(COUNT), 60), refused="lean by 60.0"),
    Odd("thin slices in the middle", planes((0, 10, 20, 25, 30, 35, 45, 55)), "from 5 to 10 mm"),
    Odd("a step between thin and thick", planes((0, 5, 10, 15, 22, 32, 42)), "from 5 to 10 mm"),
    Odd("tilted, thin and thick", planes((0, 4, 8, 12, 20, 28, 36), 10), "and the step between"),
    Odd("steps that differ by a third", planes((0, 3, 6, 9, 13, 17, 21)), "from 3 to 4 mm"),
    Odd("steps of 1 and 30 mm", planes((0, 1, 2, 32, 62)), refused="more than 10 times"),
    Odd("a missing slice", without(3), refused="1 slice missing, after slice 3 of 7"),
    Odd("two missing slices", without(2, 5), refused="2 slices missing, after slice 2, 4 of 6"),
    Odd("three in a row missing", without(2, 3, 4), refused="3 slices missing, after slice 2 of 5"),
    Odd("every second one missing above", without(3, 5), refused="2 slices missing, after"),
    Odd("a slice 0.6 mm off", moved(3, [0, 0, 0.6]), refused="lie up to 0.60 mm beside"),
    Odd("a slice 0.2 mm off", moved(3, [0, 0, 0.2]), "up to 0.200 mm off"),
    Odd("a slice far above", moved(7, [0, 0, 22.0]), refused="non-uniform steps"),
    Odd("one sideways", moved(3, [4, 0, 0]), refused="lie up to 4.00 mm beside"),
    Odd(
        "a table that moved",
        lambda folder: write_slices(folder, EVEN, values, moved_table),
        refused="sideways, by 12.00 mm after slice 4",
    ),
    Odd("slices from the top", planes(STEP * np.arange(COUNT)[::-1])),
    Odd("coronal slices", oriented([1, 0, 0], [0, 0, -1])),
    Odd("sagittal slices", oriented([0, 1, 0], [0, 0, -1])),
    Odd("oblique slices", oriented([0.8, 0.6, 0], [-0.36, 0.48, 0.8])),
    Odd("mirrored slices", oriented([-1, 0, 0], [0, 1, 0])),
    Odd("slices that overlap", each(put(SliceThickness=10))),
    Odd("one slice", planes((0,)), refused="the series has 1 slice"),
    Odd("a slice without a place", one(put(ImagePositionPatient=None)), refused="missing in 1 of"),
    Odd("no pixel size", blank("PixelSpacing"), refused=r"PixelSpacing .* missing in 8 of 8"),
    Odd("another pixel size", one(put(PixelSpacing=[1, 1])), refused="2 different pixel sizes"),
    Odd(
        "a turned slice",
        one(put(ImageOrientationPatient=[0, 1, 0, -1, 0, 0])),
        refused="2 different orientations",
    ),
    Odd(
        "axes that are none", each(put(ImageOrientationPatient=[1, 0, 0, 1, 0, 0])), refused="two d"
    ),
    Odd("another size", one(put(Rows=SHAPE[1], Columns=SHAPE[0])), refused="2 different sizes"),
    # Several images
    Odd("copies of two files", copies, r"left out: copies of slices \(2\)"),
    Odd("two slices at one place", two_at_a_place, refused="several different slices at 1 place"),
    Odd("two kernels", several(kernel), refused=r"2 images .* told apart by kernel: `#.1`"),
    Odd("the first of two kernels", several(kernel), "image 1 of 2", end="#.1"),
    Odd("two phases", several(phase), refused="told apart by temporal position"),
    Odd("the first of two phases", several(phase), "image 1 of 2", end="#1.1"),
    Odd("two in order", several(order), refused="told apart by nothing but their order"),
    Odd("the first in order", several(order), "image 1 of 2", end="#.1"),
    Odd("two series", several(numbered, shared=False), refused="2 series in one folder"),
    Odd("the first of two series", several(numbered, shared=False), end="#1"),
    Odd(
        "two series between each other's slices",
        several(numbered, shared=True, heights=STEP * np.arange(COUNT) + 1.7),
        refused="gap: 7 slices missing",
    ),
    Odd("a mosaic", each(put(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"])), refused="mosaic"),
    Odd("an enhanced image", enhanced()),
    Odd("an enhanced image, shuffled", enhanced(shuffled=True)),
    Odd("an enhanced image of two times", enhanced(times=2), refused="told apart by temporal"),
    Odd("the second of two times", enhanced(times=2), "image 2 of 2", end="#.2"),
    Odd(
        "frames without places",
        enhanced(put(PerFrameFunctionalGroupsSequence=None)),
        refused="8 frames without a place for each",
    ),
    Odd("more frames than pixels", enhanced(put(NumberOfFrames=10**9)), refused="frames without"),
    # What lies beside
    Odd("a localizer", beside("scout.dcm", scout), r"left out: localizers \(1\)"),
    Odd("a screenshot", beside("shot.dcm", screenshot), r"left out: pictures \(1\)"),
    Odd("a dose report", beside("dose.dcm", report), "left out: DICOM objects without a slice"),
    Odd("a text file", beside("README.txt", b"hello"), "left out: files that are not DICOM"),
    Odd("an error page", beside("9.dcm", b"<html>busy</html>"), refused="is damaged"),
    Odd("an empty file", beside("9.dcm", b""), refused="is empty"),
    Odd("folders and links", nested),
    # Identity
    Odd("blank UIDs", blank("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")),
    Odd(
        "blank UIDs and numbers",
        blank("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "InstanceNumber"),
        "nothing but their places says",
    ),
    Odd("hostile values", each(hostile)),
    Odd("a sequence a hundred deep", each(deep)),
    # Values
    Odd(
        "a rescale for each slice",
        lambda folder: write_slices(folder, EVEN, values, per_slice),
        "the rescale differs from slice to slice",
    ),
    Odd("a slope of 0", each(put(RescaleSlope=0)), refused="RescaleSlope is 0"),
    Odd("a missing intercept", one(put(RescaleIntercept=None)), refused="missing in 1 of 8"),
    Odd(
        "no rescale, no air",
        each(put(RescaleIntercept=None, RescaleSlope=None)),
        refused="these are no HU",
    ),
    Odd("another unit", each(put(RescaleType="US")), "RescaleType is US, not HU"),
    Odd("signed pixels", each(pixels("<i2", 16, 0))),
    Odd("pixels of 32 bits", each(pixels("<i4", 32, 0))),
    Odd("bits that are no value", each(overlaid), "bits that are no value"),
    Odd("padding around the image", each(padded), "padding around the image", compared=False),
    Odd("colour", each(put(SamplesPerPixel=3)), refused="in colour"),
    Odd("pixels of 12 bits", each(put(BitsAllocated=12)), refused="BitsAllocated of 8, 16 or 32"),
    Odd("nothing but air", lambda folder: write_slices(folder, EVEN, _air), refused="constant"),
    # Files
    Odd("a slice that is cut", bytes_of(3, lambda data: data[:-900]), refused="is cut short"),
    Odd("a header that is cut", bytes_of(3, lambda data: data[:600]), refused="is damaged"),
    Odd("neither preamble nor group 2", bare),
    Odd("implicit", stored_as(uid.ImplicitVRLittleEndian)),
    Odd("big endian", stored_as(uid.ExplicitVRBigEndian)),
    Odd("deflated", stored_as(uid.DeflatedExplicitVRLittleEndian)),
    Odd("run lengths", compressed(uid.RLELossless)),
    Odd("JPEG-LS", compressed(uid.JPEGLSLossless)),
    Odd("JPEG 2000", compressed(uid.JPEG2000Lossless)),
    Odd("several encodings", lambda folder: write_slices(folder, EVEN, values, mixed)),
    Odd("an unknown encoding", each(unknown), refused="another size than Rows and Columns"),
    # Forged
    Odd("a few bytes that claim 65535 x 65535 x 100", forged, refused="bytes of pixels where"),
]


def _air(points):
    return np.full(points.shape[:-1], -1000.0)


def test_the_corpus_is_large_and_its_lines_are_named():
    assert len(CORPUS) >= 60
    assert len({odd.what for odd in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("odd", CORPUS, ids=lambda odd: odd.what)
def test_an_odd_series_is_converted_or_refused(odd, tmp_path):
    odd.make(tmp_path / "scan")
    output, record = tmp_path / "made.nii", tmp_path / "made.json"
    source = Path(f"{tmp_path / 'scan'}{odd.end}")

    def convert():
        return convert_image(source, output, record, case="c1", modality="venous")

    if odd.refused:
        with pytest.raises(BadCase, match=odd.refused) as refused:
            convert()
        assert len(str(refused.value).splitlines()) == 1
        assert not [secret for secret in SECRETS if secret in str(refused.value)]
        assert not output.exists()
        return
    told = convert()
    assert (odd.note == "") == (told.warnings == []), told.warnings
    if odd.note:
        assert any(re.search(odd.note, note) for note in told.warnings), told.warnings
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.json", "made.nii", "scan"]
    said = record.read_text()
    assert not [one for one in (*SECRETS, "script", "etc", "DROP", "rm -rf") if one in said]
    if odd.compared:
        _compare(output, json.loads(said)["details"])


def _compare(output, details):
    """Voxels are what the body has there: exactly, unless they were resampled."""
    volume = read_volume(output)
    expected = values(centres(volume.geometry))
    if "slices" not in details:
        off = np.abs(volume.array - np.rint(expected))
        # A slice that lies beside its place has the values of its own place.
        assert off.max() <= 1
        assert (off == 0).mean() > 0.85
        return
    places = SlicePlaces.of_json(details["slices"])
    straight = places.straightened(centres(volume.geometry).reshape(-1, 3))
    at = np.linalg.inv(places.straight.affine) @ np.c_[straight, np.ones(len(straight))].T
    last = np.array(places.straight.shape[::-1])[:, None] - 1
    inside = ((at[:3] > -1e-6) & (at[:3] < last + 1e-6)).all(axis=0).reshape(volume.array.shape)
    assert inside.mean() > 0.5
    assert np.abs(volume.array - expected)[inside].max() <= 1.01


def test_a_deflate_bomb_is_refused_in_little_memory(tmp_path):
    bomb(tmp_path / "scan")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadCase, match="another size than Rows"):
        convert_image(
            tmp_path / "scan", tmp_path / "made.nii", tmp_path / "r.json", case="c1", modality="ct"
        )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
