"""Odd headers, each written byte by byte (the layout of nifti1.h and nifti2.h)."""

import gzip
import random
import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, from_sitk
from remodal.intake.nifti import read_geometry, read_image, write_volume

TURN = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
GRID = Geometry((2, 3, 4), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), tuple(TURN.ravel()))
ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
# Where fields of a NIfTI-1 header begin, and how they are packed.
FIELDS = {
    "dim": (40, "8h"),
    "intent_code": (68, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern": (256, "3f"),
    "qoffset": (268, "3f"),
    "srow": (280, "12f"),
    "magic": (344, "4s"),
}


@pytest.fixture
def changed(tmp_path):
    """A function that writes a good file with other fields and returns its path."""

    def write(name="v.nii", voxels=None, **fields):
        write_volume(tmp_path / "good.nii", Volume(ARRAY, GRID))
        raw = bytearray((tmp_path / "good.nii").read_bytes())
        for field, value in fields.items():
            at, kind = FIELDS[field]
            values = value if isinstance(value, (tuple, list)) else (value,)
            struct.pack_into(f"<{kind}", raw, at, *values)
        if voxels is not None:
            raw[352:] = voxels
        path = tmp_path / name
        path.write_bytes(gzip.compress(bytes(raw)) if name.endswith(".gz") else bytes(raw))
        return path

    return write


def as_simpleitk_reads(path):
    volume, warnings = read_image(path)
    seen = from_sitk(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(volume.array, seen.array)
    assert volume.geometry.agrees_with(seen.geometry, 1e-3)
    return volume, warnings


def test_a_good_header_has_no_warning(changed):
    volume, warnings = as_simpleitk_reads(changed())
    assert warnings == []
    assert volume.geometry.agrees_with(GRID, 1e-4)


@pytest.mark.parametrize(("unit", "scale"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 0)])
def test_units_of_length_and_both_forms(unit, scale, codes, changed):
    path = changed(xyzt_units=unit, qform_code=codes[0], sform_code=codes[1])
    volume, warnings = as_simpleitk_reads(path)
    assert volume.geometry.spacing == pytest.approx([scale, 2 * scale, 3 * scale])
    assert volume.geometry.origin == pytest.approx([10 * scale, 20 * scale, 30 * scale], rel=1e-5)
    assert warnings == []
    assert read_geometry(path) == volume.geometry


def test_neither_form_is_told_and_read_as_itk_reads_it(changed):
    volume, warnings = as_simpleitk_reads(changed(qform_code=0, sform_code=0))
    assert volume.geometry == Geometry((2, 3, 4), (1.0, 2.0, 3.0))
    assert "neither sform nor qform is set" in warnings[0]


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"qoffset": (99, 99, 99)}, "sform and qform give different places .*: the sform is used"),
        ({"quatern": (0, 0, 0.5)}, "sform and qform give different places .*: the sform is used"),
        ({"quatern": (2, 0, 0)}, "the qform makes no sense"),
        ({"qform_code": 0, "pixdim": (1, 1.7, 2, 3, 0, 0, 0, 0)}, "different voxel sizes"),
        ({"xyzt_units": 5}, "unknown unit of length"),
        ({"intent_code": 3}, "no intensities .intent_code 3"),
        ({"scl_slope": np.nan}, "scl_slope is nan .*: the stored values are used"),
        ({"scl_slope": 0, "scl_inter": 5}, "scl_slope is 0 and scl_inter 5: the stored values"),
        ({"dim": (3, 4, 3, 1, 1, 1, 1, 1)}, "24 bytes follow the voxels"),
    ],
)
def test_what_a_header_contradicts_itself_in_is_told(fields, warning, changed):
    volume, warnings = read_image(changed(**fields))
    assert len(warnings) == 1
    assert re.search(warning, warnings[0])
    np.testing.assert_array_equal(volume.array, ARRAY[: len(volume.array)])
    assert np.allclose(volume.geometry.affine, GRID.affine, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"vox_offset": 0}, "the voxels begin at byte 0"),
        ({"vox_offset": 348}, "the voxels begin at byte 348"),
        ({"vox_offset": 352.5}, "the voxels begin at byte 352.5"),
        ({"vox_offset": np.nan}, "the voxels begin at byte nan"),
        ({"vox_offset": 1e30}, "is cut short"),
        ({"datatype": 32, "bitpix": 64, "dim": (3, 1, 3, 2, 1, 1, 1, 1)}, "complex numbers"),
        ({"datatype": 1792, "bitpix": 128}, "complex numbers"),
        ({"datatype": 128, "bitpix": 24, "dim": (3, 4, 2, 2, 1, 1, 1, 1)}, "RGB colours"),
        ({"datatype": 2304, "bitpix": 32}, "RGBA colours"),
        ({"datatype": 1}, "single bits"),
        ({"datatype": 7}, "unknown number format 7"),
        ({"bitpix": 8}, "contradicts itself: int16 of 8 bits"),
        ({"dim": (4, 2, 3, 2, 2, 1, 1, 1)}, "the image is 2 x 3 x 2 x 2"),
        ({"dim": (5, 4, 3, 1, 1, 2, 1, 1), "intent_code": 1007}, "4 x 3 x 1 x 1 x 2"),
        ({"dim": (-3, 4, 3, 2, 1, 1, 1, 1)}, "-3-dimensional"),
        ({"dim": (3, 4, -3, 2, 1, 1, 1, 1)}, "4 x -3 x 2"),
        ({"scl_slope": np.inf}, "scl_slope is inf"),
        ({"scl_slope": 2, "scl_inter": np.nan}, "scl_inter nan"),
        ({"scl_slope": 1e-20}, "scl_slope is 1e-20"),
        ({"qform_code": 0, "sform_code": 0, "pixdim": [1, 0, 2, 3, 0, 0, 0, 0]}, "no size"),
        ({"sform_code": 0, "quatern": (2, 0, 0)}, "the qform is not a grid"),
        ({"srow": (0,) * 12}, "not a grid in space"),
        ({"srow": (np.inf,) * 12}, "not a grid in space"),
        ({"magic": b"ni1"}, "its voxels are in another file"),
        ({"magic": b""}, "Analyze format, which has no orientation"),
        ({"magic": b"n+9"}, "cannot be read as an image"),
    ],
)
def test_headers_that_readers_differ_on_or_that_make_no_sense_are_refused(fields, reason, changed):
    for name in ("v.nii", "v.nii.gz"):
        with pytest.raises(BadCase, match=reason):
            read_image(changed(name, **fields))


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("sizes", [(32767, 32767, 32767), (2048, 2048, 2048), (4, 3, 3)])
def test_sizes_beyond_the_file_set_no_memory_aside(name, sizes, changed, monkeypatch):
    path = changed(name, dim=(3, *sizes, 1, 1, 1, 1))
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("memory was set aside"))
    with pytest.raises(BadCase, match="is cut short: "):
        read_image(path)


def test_a_gzip_that_could_hold_what_its_header_says_is_unpacked_before_memory_is_taken(
    changed, monkeypatch
):
    # Within what a file of this size may unpack to, and it does not.
    path = changed("v.nii.gz", dim=(3, 100, 100, 2, 1, 1, 1, 1))
    assert path.stat().st_size * 1032 > 40_000
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("memory was set aside"))
    with pytest.raises(BadCase, match="is cut short: 48 of 40000 bytes"):
        read_image(path)


def test_a_gzip_of_several_parts_is_read(changed):
    path = changed("v.nii.gz")
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:371]) + gzip.compress(whole[371:]))
    volume, warnings = read_image(path)
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert warnings == []


def test_content_says_whether_a_file_is_compressed(changed):
    plain, packed = changed("v.nii"), changed("v.nii.gz")
    swapped = plain.with_name("packed.nii"), plain.with_name("plain.nii.gz")
    swapped[0].write_bytes(packed.read_bytes())
    swapped[1].write_bytes(plain.read_bytes())
    for path in swapped:
        np.testing.assert_array_equal(read_image(path)[0].array, ARRAY)


def nifti2(order="<", magic=b"n+2\0\r\n\x1a\n", offset=544):
    """A NIfTI-2 header with a sform of its own and no qform."""
    head = bytearray(540)
    struct.pack_into(f"{order}i8shh8q", head, 0, 540, magic, 4, 16, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(f"{order}8d", head, 104, 1, 0.5, 2, 3, 0, 0, 0, 0)
    struct.pack_into(f"{order}q2d", head, 168, offset, 2.0, -5.0)
    struct.pack_into(f"{order}2i", head, 344, 0, 1)
    struct.pack_into(f"{order}12d", head, 400, 0, 2, 0, -10, -0.5, 0, 0, -20, 0, 0, 3, 30)
    struct.pack_into(f"{order}i", head, 500, 2)
    return bytes(head)


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2_is_read(order, tmp_path):
    # SimpleITK does not read it: the place is computed by hand.
    voxels = ARRAY.astype(f"{order}i2").tobytes()
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(nifti2(order) + bytes(4) + voxels))
    volume, warnings = read_image(tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(volume.array, ARRAY * 2.0 - 5.0)
    ras_to_lps = np.diag([-1, -1, 1, 1])
    affine = ras_to_lps @ [[0, 2, 0, -10], [-0.5, 0, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.affine, affine, atol=1e-12)
    assert warnings == []


@pytest.mark.parametrize("given", ["v.hdr", "v.img"])
def test_a_pair_is_read_from_either_file(given, tmp_path):
    image = sitk.GetImageFromArray(ARRAY)
    image.SetSpacing(GRID.spacing)
    image.SetOrigin(GRID.origin)
    image.SetDirection(GRID.direction)
    sitk.WriteImage(image, str(tmp_path / "v.hdr"))
    volume, _ = as_simpleitk_reads(tmp_path / given)
    assert volume.geometry.agrees_with(GRID, 1e-4)
    (tmp_path / "v.img").write_bytes(bytes(20))
    with pytest.raises(BadCase, match="cut short: 20 of 48"):
        read_image(tmp_path / "v.hdr")
    (tmp_path / "v.img").unlink()
    with pytest.raises(BadCase, match=r"the \.img file beside it is missing"):
        read_image(tmp_path / "v.hdr")


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_no_mutated_header_gives_a_wrong_volume_or_another_error(name, changed):
    """Whatever a header holds, the result is what SimpleITK reads, a warning, or a refusal."""
    generator = random.Random(7)
    good = changed("v.nii").read_bytes()
    path = changed(name)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    outcomes = {"same": 0, "told": 0, "refused": 0}
    for _ in range(400):
        raw = bytearray(good)
        for _ in range(generator.choice((1, 2, 4))):
            at = generator.randrange(352)
            raw[at] = generator.choice((0, 255, generator.randrange(256), raw[at] ^ 1))
        path.write_bytes(gzip.compress(bytes(raw), 1) if name.endswith(".gz") else bytes(raw))
        try:
            volume, warnings = read_image(path)
        except BadCase:
            outcomes["refused"] += 1
            continue
        if warnings:
            outcomes["told"] += 1
            continue
        seen = from_sitk(sitk.ReadImage(str(path)))
        np.testing.assert_allclose(volume.array, seen.array, rtol=1e-6, atol=1e-30)
        # Where sform and qform are less than a twentieth of a voxel apart either may be used.
        assert volume.geometry.agrees_with(seen.geometry, 0.055)
        outcomes["same"] += 1
    assert min(outcomes.values()) > 20, outcomes
