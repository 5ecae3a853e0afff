"""MetaImage and NRRD files: whole ones as SimpleITK wrote them, odd ones refused with a reason."""

import random
import re

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, from_sitk, to_sitk
from remodal.intake.nifti import read_image

TURN = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
GRID = Geometry((2, 3, 4), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), tuple(TURN.ravel()))
ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def written(tmp_path):
    """A function that writes a file, in which texts are then replaced, and returns its path."""

    def write(name, *changes, packed=False, image=None):
        image = to_sitk(Volume(ARRAY, GRID)) if image is None else image
        sitk.WriteImage(image, str(tmp_path / name), packed)
        raw = (tmp_path / name).read_bytes()
        for old, new in changes:
            assert old in raw
            raw = raw.replace(old, new)
        (tmp_path / name).write_bytes(raw)
        return tmp_path / name

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["v.mha", "v.mhd", "v.nrrd", "v.nhdr"])
def test_a_whole_file_is_read_as_it_was_written(name, packed, written):
    volume, warnings = read_image(written(name, packed=packed))
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert volume.geometry.agrees_with(GRID, 1e-5)
    assert warnings == []


def test_slices_in_files_of_their_own(written, tmp_path):
    for number, plane in enumerate(ARRAY, 1):
        (tmp_path / f"s{number:03d}.raw").write_bytes(plane.tobytes())
    listed = (b"= v.raw", b"= LIST\ns001.raw\ns002.raw")
    numbered = (b"= v.raw", b"= s%03d.raw 1 2 1")
    nrrd_listed = (b"data file: v.raw", b"data file: LIST\ns001.raw\ns002.raw")
    nrrd_numbered = (b"data file: v.raw", b"data file: s%03d.raw 1 2 1")
    for change in (listed, numbered):
        path = written("v.mhd", change)
        np.testing.assert_array_equal(read_image(path)[0].array, ARRAY)
    for change in (nrrd_listed, nrrd_numbered):
        np.testing.assert_array_equal(read_image(written("v.nhdr", change))[0].array, ARRAY)
    (tmp_path / "s002.raw").unlink()
    with pytest.raises(BadCase, match="1 of 2 files with its voxels are missing"):
        read_image(written("v.nhdr", nrrd_listed))
    (tmp_path / "s002.raw").write_bytes(b"short")
    with pytest.raises(BadCase, match="is cut short: 29 of 48 bytes"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["tif", "png", "bmp", "jpg"])
def test_pictures_have_no_place(suffix, tmp_path):
    image = sitk.Image([4, 3] if suffix != "tif" else [4, 3, 2], sitk.sitkUInt8)
    sitk.WriteImage(image, str(tmp_path / f"v.{suffix}"))
    with pytest.raises(BadCase, match=f"`.{suffix}` is a picture, without voxel size and place"):
        read_image(tmp_path / f"v.{suffix}")


@pytest.mark.parametrize(
    ("name", "packed", "change", "reason"),
    [
        ("v.mha", False, (b"DimSize = 4 3 2", b"DimSize = 4 3 9"), "48 of 216 bytes"),
        ("v.mha", False, (b"DimSize = 4 3 2", b"DimSize = 99999 99999 99999"), "is cut short"),
        ("v.mha", True, (b"DimSize = 4 3 2", b"DimSize = 9999 9999 9999"), "48 of 19994"),
        ("v.mha", False, (b"DimSize = 4 3 2", b"DimSize = -4 3 2"), "its header is damaged"),
        ("v.mha", False, (b"DimSize = 4 3 2", b"DimSize = 4 x 2"), "its header is damaged"),
        ("v.nrrd", False, (b"sizes: 4 3 2", b"sizes: 99999 99999 99999"), "is cut short"),
        ("v.nrrd", True, (b"sizes: 4 3 2", b"sizes: 9999 9999 9999"), "48 of 19994"),
        ("v.nrrd", False, (b"type: short", b"type: block"), "its header is damaged"),
        ("v.nhdr", False, (b"sizes: 4 3 2", b"sizes: 4 3 3"), "48 of 72 bytes"),
        ("v.mhd", False, (b"= v.raw", b"= ../v.raw"), "names a file outside its folder"),
        ("v.mhd", False, (b"= v.raw", b"= /etc/passwd"), "names a file outside its folder"),
        ("v.nhdr", False, (b"file: v.raw", b"file: /etc/passwd"), "names a file outside"),
        ("v.mha", True, (b"DimSize = 4 3 2", b"DimSize = 4 3 1"), "more or fewer bytes"),
        ("v.mha", True, (b"CompressedDataSize = ", b"CompressedDataSize = 1"), "more or fewer"),
        ("v.mha", True, (b"LOCAL\nx", b"LOCAL\ny"), "is damaged"),
        ("v.mha", False, (b"BinaryData = True", b"BinaryData = False"), "is cut short"),
        ("v.mha", False, (b"ElementSpacing = 1 2 3\n", b""), "says no voxel size"),
        ("v.nrrd", False, (b"(0.81379", b"(0.01379"), "sheared"),
    ],
)
def test_what_cannot_be_right_is_refused(name, packed, change, reason, written):
    with pytest.raises(BadCase, match=reason):
        read_image(written(name, change, packed=packed))


def test_no_origin_is_told(written):
    path = written("v.mha", (b"Offset = 10 20 30\n", b""))
    volume, warnings = read_image(path)
    assert volume.geometry.origin == (0, 0, 0)
    assert warnings == ["the header says no origin: the place in the patient is unknown"]


def test_complex_and_colour_images_are_refused(written):
    complex_image = sitk.RealAndImaginaryToComplex(*[sitk.Image([4, 3, 2], sitk.sitkFloat32)] * 2)
    for image in (complex_image, sitk.Image([4, 3, 2], sitk.sitkVectorUInt8, 3)):
        for name in ("v.mha", "v.nii.gz"):
            with pytest.raises(BadCase, match=r"values a voxel|complex|RGB|4 x 3 x 2"):
                read_image(written(name, image=image))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["v.mha", "v.nrrd"])
def test_no_mutated_header_gives_a_wrong_volume_or_another_error(name, packed, written, capfd):
    generator = random.Random(5)
    good = written(name, packed=packed).read_bytes()
    end = re.search(rb"LOCAL\n|\n\n", good).end()
    path = written(name)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    read = 0
    for _ in range(80):
        raw = bytearray(good)
        for _ in range(generator.choice((1, 2))):
            at = generator.randrange(end)
            raw[at] = generator.choice((0, *b"0123456789 -.e\n", raw[at] ^ 1))
        path.write_bytes(raw)
        try:
            volume, _ = read_image(path)
        except BadCase:
            continue
        seen = from_sitk(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(volume.array, seen.array)
        assert volume.geometry == seen.geometry
        assert volume.array.nbytes <= 48
        read += 1
    assert read > 10


@pytest.mark.parametrize("field", ["sizes", "kinds", "space directions", "bogus"])
def test_an_nrrd_field_that_would_crash_its_reader_is_refused(field, tmp_path):
    lines = ["NRRD0004", "type: uint8", "dimension: 3", "sizes: 2 2 2", "encoding: raw"]
    header = "\n".join([*lines, f"{field}: {'A' * 5000}", "", ""])
    (tmp_path / "v.nrrd").write_bytes(header.encode() + bytes(8))
    with pytest.raises(BadCase, match="its header is damaged"):
        read_image(tmp_path / "v.nrrd")


def test_a_file_name_that_no_system_allows_is_refused(tmp_path):
    header = f"NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = {'A' * 900}\n"
    (tmp_path / "v.mhd").write_text(header)
    with pytest.raises(BadCase, match="its header is damaged"):
        read_image(tmp_path / "v.mhd")


@pytest.mark.parametrize("line", ["CompressedData = 1e9", "BinaryData = yes"])
def test_a_metaimage_that_readers_understand_differently_is_refused(line, written):
    path = written("v.mha")
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", b"NDims = 3\n" + line.encode()))
    with pytest.raises(BadCase, match="its header is damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "before", "line", "field"),
    [
        ("v.mha", b"NDims = 3\n", b"DimSize = 3 2 4\n", "dimsize"),
        ("v.mha", b"NDims = 3\n", b"CompressedData = 1\n", "compresseddata"),
        ("v.nrrd", b"dimension: 3\n", b"Space Directions: (1,0,0) (0,1,0) (0,0,1)\n", None),
        ("v.nrrd", b"dimension: 3\n", b"sizes: 4 2 3\n", "sizes"),
    ],
)
def test_a_field_that_is_there_twice_is_refused_by_its_name(name, before, line, field, written):
    path = written(name)
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, before + line))
    field = field or "spacedirections"
    with pytest.raises(BadCase, match=f"its header says `{field}` twice; expected each field only"):
        read_image(path)
