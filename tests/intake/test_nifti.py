import gzip
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from isal import igzip_threaded
from scipy.spatial.transform import Rotation

from remodal.errors import BadCase, EnvironmentProblem, UserError
from remodal.geometry.volume import Geometry, Volume, from_sitk, to_sitk
from remodal.intake.nifti import (
    quaternion,
    read_geometry,
    read_image,
    read_volume,
    write_volume,
)

TURNS = [
    tuple(np.eye(3)[list(order)].T.ravel() * np.tile(signs, 3))
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
OBLIQUE = [
    tuple(Rotation.from_euler("xyz", angles, degrees=True).as_matrix().ravel())
    for angles in ((10, 0, 0), (-35, 20, 80), (179.9, 0.1, -0.1), (90, 45, 0), (0, 180, 0))
]
MIRRORED = [tuple((np.reshape(one, (3, 3)) * [1, 1, -1]).ravel()) for one in OBLIQUE]


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(-1024, 3000, (3, 4, 5)).astype(np.int16)


def _geometry(direction) -> Geometry:
    return Geometry((3, 4, 5), (0.703125, 0.7, 1.25), (-180.3, 12.5, -1034.7), direction)


@pytest.mark.parametrize("direction", TURNS + OBLIQUE + MIRRORED)
def test_a_round_trip_keeps_voxels_and_place_and_simpleitk_sees_the_same(
    direction, array, tmp_path
):
    volume = Volume(array, _geometry(direction))
    write_volume(tmp_path / "v.nii.gz", volume)
    found = read_volume(tmp_path / "v.nii.gz")
    seen = from_sitk(sitk.ReadImage(str(tmp_path / "v.nii.gz")))
    for one in (found, seen):
        np.testing.assert_array_equal(one.array, array)
        assert one.array.dtype == np.int16
        # Positions are 32-bit floats in the format: 1034.7 mm is kept to 0.06 micrometres.
        assert one.geometry.agrees_with(volume.geometry, 1e-3)
    assert np.abs(found.geometry.affine - volume.geometry.affine).max() < 1e-4
    assert read_geometry(tmp_path / "v.nii.gz") == found.geometry


@pytest.mark.parametrize("direction", TURNS + OBLIQUE + MIRRORED)
def test_a_file_of_simpleitk_is_read_as_simpleitk_reads_it(direction, array, tmp_path):
    image = to_sitk(Volume(array, _geometry(direction)))
    sitk.WriteImage(image, str(tmp_path / "s.nii.gz"))
    found = read_volume(tmp_path / "s.nii.gz")
    expected = from_sitk(sitk.ReadImage(str(tmp_path / "s.nii.gz")))
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.geometry.agrees_with(expected.geometry, 1e-3)


@pytest.mark.parametrize("direction", TURNS + OBLIQUE + MIRRORED)
def test_the_qform_says_the_same_as_the_sform(direction, array, tmp_path):
    write_volume(tmp_path / "v.nii", Volume(array, _geometry(direction)))
    raw = bytearray((tmp_path / "v.nii").read_bytes())
    raw[254:256] = b"\0\0"
    (tmp_path / "q.nii").write_bytes(raw)
    by_qform = from_sitk(sitk.ReadImage(str(tmp_path / "q.nii")))
    assert by_qform.geometry.agrees_with(_geometry(direction), 1e-3)
    assert read_volume(tmp_path / "q.nii").geometry.agrees_with(by_qform.geometry, 1e-5)


def test_reading_and_writing_again_changes_nothing(array, tmp_path):
    for index, direction in enumerate(TURNS + OBLIQUE + MIRRORED):
        first, second = tmp_path / f"{index}a.nii", tmp_path / f"{index}b.nii"
        write_volume(first, Volume(array, _geometry(direction)))
        write_volume(second, read_volume(first))
        assert read_geometry(first).agrees_with(read_geometry(second), 1e-7)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_number_formats_are_kept(kind, suffix, tmp_path):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    geometry = Geometry((2, 3, 4), (1.0, 2.0, 3.0))
    write_volume(tmp_path / f"v{suffix}", Volume(array, geometry))
    found = read_volume(tmp_path / f"v{suffix}")
    assert found.array.dtype == kind
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry.agrees_with(geometry)
    found.array[0, 0, 0] = 1


def test_booleans_become_bytes_and_views_are_written_in_order(tmp_path):
    array = np.arange(24).reshape(4, 3, 2).T % 2 == 0
    write_volume(tmp_path / "v.nii.gz", Volume(array, Geometry((2, 3, 4), (1.0, 1.0, 1.0))))
    found = read_volume(tmp_path / "v.nii.gz").array
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32]),
        st.tuples(*[st.integers(1, 6)] * 3),
    ),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    origin=st.tuples(*[st.floats(-1000, 1000)] * 3),
)
def test_any_volume_survives(tmp_path_factory, array, angles, spacing, origin):
    direction = tuple(Rotation.from_euler("xyz", angles, degrees=True).as_matrix().ravel())
    volume = Volume(array, Geometry(array.shape, spacing, origin, direction))
    path = tmp_path_factory.mktemp("any") / "v.nii.gz"
    write_volume(path, volume)
    found = read_volume(path)
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry.agrees_with(volume.geometry, 2e-3)


def test_equal_volumes_give_equal_bytes(tmp_path):
    # Several blocks of the compressor, in whatever order its threads finish.
    array = np.random.default_rng(1).integers(0, 500, (30, 256, 256)).astype(np.int16)
    volume = Volume(array, Geometry(array.shape, (1.0, 1.0, 1.0)))
    write_volume(tmp_path / "a.nii.gz", volume)
    write_volume(tmp_path / "b.nii.gz", volume)
    raw = (tmp_path / "a.nii.gz").read_bytes()
    assert raw == (tmp_path / "b.nii.gz").read_bytes()
    assert raw[3] == 0  # no file name
    assert raw[4:8] == b"\0\0\0\0"  # no time
    np.testing.assert_array_equal(np.frombuffer(gzip.decompress(raw)[352:], "<i2"), array.ravel())


def test_scale_and_intercept_are_applied(array, tmp_path):
    write_volume(tmp_path / "v.nii", Volume(array, _geometry(TURNS[0])))
    raw = bytearray((tmp_path / "v.nii").read_bytes())
    raw[112:120] = np.array([0.5, -3], "<f4").tobytes()
    (tmp_path / "v.nii").write_bytes(raw)
    found = read_volume(tmp_path / "v.nii").array
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array * 0.5 - 3)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "v.nii")))
    np.testing.assert_array_equal(found, expected)


def test_big_endian_files_are_read(array, tmp_path):
    write_volume(tmp_path / "v.nii", Volume(array, _geometry(OBLIQUE[1])))
    raw = (tmp_path / "v.nii").read_bytes()
    big = bytearray(raw)
    for start, end, size in ((0, 4, 4), (40, 56, 2), (70, 74, 2), (76, 120, 4), (252, 256, 2)):
        big[start:end] = np.frombuffer(raw[start:end], f"<u{size}").byteswap().tobytes()
    big[256:328] = np.frombuffer(raw[256:328], "<u4").byteswap().tobytes()
    big[352:] = np.frombuffer(raw[352:], "<u2").byteswap().tobytes()
    (tmp_path / "big.nii").write_bytes(big)
    found = read_volume(tmp_path / "big.nii")
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype.isnative
    assert found.geometry == read_geometry(tmp_path / "v.nii")


def test_the_sform_wins_over_another_qform(array, tmp_path):
    write_volume(tmp_path / "v.nii", Volume(array, _geometry(TURNS[0])))
    raw = bytearray((tmp_path / "v.nii").read_bytes())
    raw[268:280] = np.array([99, 99, 99], "<f4").tobytes()
    (tmp_path / "v.nii").write_bytes(raw)
    assert read_geometry(tmp_path / "v.nii").agrees_with(_geometry(TURNS[0]), 1e-3)


def _with_bytes(path, start, values):
    raw = bytearray(path.read_bytes())
    raw[start : start + values.nbytes] = values.tobytes()
    path.write_bytes(raw)


def test_files_that_cannot_be_used_are_refused(array, tmp_path):
    volume = Volume(array, _geometry(TURNS[0]))
    path = tmp_path / "v.nii"

    def refuse(reason, start=None, values=None):
        write_volume(path, volume)
        if start is not None:
            _with_bytes(path, start, values)
        with pytest.raises(BadCase, match=reason):
            read_volume(path)

    refuse("the image is 5 x 4 x 3 x 2", 40, np.array([4, 5, 4, 3, 2], "<i2"))
    refuse("the image is 5 x 12", 40, np.array([2, 5, 12, 1], "<i2"))
    refuse("is cut short: 120 of 240 bytes", 46, np.array([6], "<i2"))
    refuse("sheared", 284, np.array([0.5], "<f4"))
    refuse("not a grid", 280, np.array([np.nan], "<f4"))
    (tmp_path / "none.nii").write_bytes(b"")
    with pytest.raises(BadCase, match="is empty"):
        read_volume(tmp_path / "none.nii")
    with pytest.raises(BadCase, match="there is no such file"):
        read_volume(tmp_path / "nowhere.nii")
    for name in ("text.nrrd", "text.nii"):
        (tmp_path / name).write_text("not an image " * 50)
        with pytest.raises(BadCase, match="cannot be read as an image"):
            read_volume(tmp_path / name)


@pytest.mark.parametrize("keep", [10, 100, -20, -4])
def test_a_truncated_gzip_is_refused(keep, array, tmp_path):
    path = tmp_path / "v.nii.gz"
    write_volume(path, Volume(array, _geometry(TURNS[0])))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadCase, match=r"cut short|damaged"):
        read_volume(path)


def test_a_damaged_gzip_is_refused(array, tmp_path):
    path = tmp_path / "v.nii.gz"
    write_volume(path, Volume(array, _geometry(TURNS[0])))
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(BadCase, match="damaged"):
        read_volume(path)
    path.write_bytes(b"no gzip at all, but long enough to be looked at")
    with pytest.raises(BadCase, match="cannot be read as an image"):
        read_volume(path)


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_one_of_several_images_is_read_by_its_number(name, array, tmp_path):
    """Beside SimpleITK, which reads all of them."""
    images = [array, array + 1, array * 2]
    joined = sitk.JoinSeries([to_sitk(Volume(each, _geometry(OBLIQUE[1]))) for each in images])
    sitk.WriteImage(joined, str(tmp_path / name))
    for number, each in enumerate(images):
        found = read_image(tmp_path / f"{name}#{number}")
        np.testing.assert_array_equal(found[0].array, each)
        assert found[0].geometry.agrees_with(_geometry(OBLIQUE[1]))
        assert found[1] == []
        assert read_geometry(tmp_path / f"{name}#{number}") == found[0].geometry
    with pytest.raises(BadCase, match=r"5 x 4 x 3 x 3.*one 3-D image a file; write the number"):
        read_image(tmp_path / name)
    with pytest.raises(BadCase, match="there is no image 3; expected 0 to 2"):
        read_image(tmp_path / f"{name}#3")


def test_a_file_of_several_images_that_is_cut_short_is_refused_whichever_is_meant(array, tmp_path):
    joined = sitk.JoinSeries([sitk.GetImageFromArray(array)] * 2)
    sitk.WriteImage(joined, str(tmp_path / "v.nii"))
    whole = (tmp_path / "v.nii").read_bytes()
    (tmp_path / "v.nii").write_bytes(whole[:-8])
    for number in (0, 1):
        with pytest.raises(BadCase, match="is cut short"):
            read_image(tmp_path / f"v.nii#{number}")


def test_colour_images_are_refused(tmp_path):
    image = sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3)
    sitk.WriteImage(image, str(tmp_path / "rgb.nrrd"))
    with pytest.raises(BadCase, match="3 values a voxel"):
        read_volume(tmp_path / "rgb.nrrd")


def test_what_cannot_be_written_is_refused(array, tmp_path):
    volume = Volume(array, _geometry(TURNS[0]))
    with pytest.raises(ValueError, match="int64"):
        write_volume(tmp_path / "v.nii.gz", volume.with_array(array.astype(np.int64)))
    sheared = Volume(array, _geometry((1, 0.5, 0, 0, 1, 0, 0, 0, 1)))
    with pytest.raises(ValueError, match="perpendicular"):
        write_volume(tmp_path / "v.nii.gz", sheared)
    with pytest.raises(UserError, match=r"expected a name in \.nii\.gz"):
        write_volume(tmp_path / "v.png", volume)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(path, mode):
        return igzip_threaded.open("/dev/full", mode, threads=2)

    monkeypatch.setattr("remodal.intake.nifti._open", full)
    noise = np.random.default_rng(0).integers(0, 255, (9, 256, 256), dtype=np.uint8)
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        write_volume(tmp_path / "v.nii.gz", Volume(noise, Geometry(noise.shape, (1, 1, 1))))
    assert list(tmp_path.iterdir()) == []


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_quaternions_are_those_of_scipy(angles):
    rotation = Rotation.from_euler("xyz", angles, degrees=True)
    b, c, d = quaternion(rotation.as_matrix())
    a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    again = Rotation.from_quat([b, c, d, a]).as_matrix()
    np.testing.assert_allclose(again, rotation.as_matrix(), atol=1e-6)
