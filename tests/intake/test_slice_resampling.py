"""Tilted and unevenly spaced slices, against the body that they were made from and dcm2niix."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import map_coordinates
from tests.known_body import ball, centres, plane, segmentation, structure_set, write_slices

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import CaseSource
from remodal.intake.dicom import read_series
from remodal.intake.inspection import inspect_sources
from remodal.intake.label_placing import placed
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_image, read_volume
from remodal.intake.slice_places import SlicePlaces

EVEN = [5.0 * index for index in range(12)]
THIN_IN_THE_MIDDLE = [0, 10, 20, 25, 30, 35, 40, 47.5, 55, 62.5]
THICK_AT_THE_END = [0, 5, 10, 15, 20, 25, 30, 35, 42.5, 52.5, 62.5]

ODD = {
    "tilted forwards": [plane((0, 0, z), 15) for z in EVEN],
    "tilted backwards": [plane((-1, 2, z), -20) for z in EVEN],
    "thin in the middle": [plane((0, 0, z)) for z in THIN_IN_THE_MIDDLE],
    "thick at the end": [plane((0, 0, z)) for z in THICK_AT_THE_END],
    "tilted and uneven": [plane((0, 0, z), 12) for z in THICK_AT_THE_END],
}


@pytest.fixture(params=ODD)
def planes(request):
    return ODD[request.param]


def _reached(places: SlicePlaces) -> np.ndarray:
    """Which voxels lie between slices, and not at a border of one."""
    rows, columns = places.first.shape[1:]
    indices = places.straightened(centres(places.regular).reshape(-1, 3))
    local = np.linalg.inv(places.straight.affine) @ np.c_[indices, np.ones(len(indices))].T
    x, y, z = local[:3]
    inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    return (inside & (z >= 0) & (z <= places.count - 1)).reshape(places.regular.shape)


def test_what_is_linear_in_space_is_found_at_its_place(planes, tmp_path):
    write_slices(tmp_path, planes, lambda points: -900 + points @ [2.0, 3.0, 1.0])
    series = read_series(tmp_path)
    grid = series.volume.geometry
    expected = -900 + centres(grid) @ [2.0, 3.0, 1.0]
    reached = _reached(series.places)
    assert reached.mean() > 0.6
    # Values are rounded in the slices, and again after the resampling.
    assert np.abs(series.volume.array - expected)[reached].max() <= 1.01
    axes = np.reshape(grid.direction, (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    told = next(note for note in series.warnings if "resampled" in note)
    assert ("tilted gantry" in told, "step between slices changes" in told) == (
        planes[0].direction[4] < 1,
        planes[3].origin[2] - planes[2].origin[2] != planes[-1].origin[2] - planes[-2].origin[2],
    )


def test_every_slice_of_the_finest_part_is_a_plane_as_it_was(tmp_path):
    written = write_slices(tmp_path, ODD["thin in the middle"])
    series = read_series(tmp_path)
    assert series.volume.geometry.spacing == (1.5, 1.2, 5.0)
    planes = series.volume.array
    for index in range(2, 7):
        heights = centres(series.volume.geometry)[:, 0, 0, 2]
        found = planes[np.flatnonzero(np.isclose(heights, THIN_IN_THE_MIDDLE[index]))[0]]
        np.testing.assert_array_equal(found, written[index].pixel_array.astype(int) - 1024)


@pytest.mark.parametrize("name", ["tilted forwards", "thick at the end", "tilted and uneven"])
def test_dcm2niix_puts_the_same_values_there(name, dcm2niix_files, tmp_path):
    def signed(dataset, index):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1

    write_slices(tmp_path, ODD[name], change=signed)
    series = read_series(tmp_path)
    (file,) = [one for one in dcm2niix_files(tmp_path) if "_Tilt" in one.name or "_Eq" in one.name]
    peer = read_volume(file)
    inside = _reached(series.places)
    x, y, z = (np.linalg.inv(peer.geometry.affine) @ _homogeneous(series.volume.geometry))[:3]
    theirs = map_coordinates(peer.array.astype(float), [z, y, x], order=1, cval=np.nan)
    found = series.volume.array[inside]
    theirs = theirs.reshape(series.volume.array.shape)[inside]
    known = np.isfinite(theirs)
    assert known.mean() > 0.9
    assert np.median(np.abs(found - theirs)[known]) <= 2
    assert np.corrcoef(found[known], theirs[known])[0, 1] > 0.97


def _homogeneous(grid):
    points = centres(grid).reshape(-1, 3)
    return np.c_[points, np.ones(len(points))].T


@pytest.fixture
def converted(planes, tmp_path):
    """The slices' folder, the converted image and its record, and the ball in it."""
    write_slices(tmp_path / "dicom", planes)
    image, record = tmp_path / "image.nii.gz", tmp_path / "image.json"
    convert_image(tmp_path / "dicom", image, record, case="c1", modality="venous")
    return planes, image, record, ball(centres(read_volume(image).geometry))


def _label(converted, path, tmp_path):
    _, image, record, _ = converted
    output = tmp_path / "label.nii.gz"
    options = {"case": "c1", "drawn_on": "venous"}
    told = convert_label(
        LabelSource((path,)), record, image, output, tmp_path / "l.json", **options
    )
    return read_volume(output).array, told.warnings


def _dice(found, expected):
    return 2 * np.count_nonzero((found > 0) & expected) / ((found > 0).sum() + expected.sum())


@pytest.mark.parametrize("draw", [structure_set, segmentation])
def test_what_was_drawn_on_the_slices_lands_on_the_volume(draw, converted, tmp_path):
    draw(converted[0]).save_as(tmp_path / "drawn.dcm", enforce_file_format=True)
    found, warnings = _label(converted, tmp_path / "drawn.dcm", tmp_path)
    assert _dice(found, converted[3]) > 0.9
    assert warnings == ["what was drawn on the slices was resampled as these"]


def test_a_label_series_on_the_slices_lands_on_the_volume(converted, tmp_path):
    def as_classes(dataset, index):
        dataset.RescaleIntercept = -1024

    write_slices(tmp_path / "drawn", converted[0], lambda p: 3 * ball(p), as_classes)
    found, _ = _label(converted, tmp_path / "drawn", tmp_path)
    assert set(np.unique(found)) == {0, 3}
    assert _dice(found, converted[3]) > 0.9


def test_a_segmentation_of_the_resampled_volume_lands_as_it_is(converted, tmp_path):
    grid = read_volume(converted[1]).geometry
    steps = grid.affine[:3, 2]
    planes = [
        _plane_at(grid, np.array(grid.origin) + index * steps) for index in range(grid.shape[0])
    ]
    segmentation(planes).save_as(tmp_path / "drawn.dcm", enforce_file_format=True)
    found, warnings = _label(converted, tmp_path / "drawn.dcm", tmp_path)
    np.testing.assert_array_equal(found > 0, converted[3])
    assert warnings == []


def _plane_at(grid, origin):
    return type(grid)((1, *grid.shape[1:]), grid.spacing, tuple(origin.tolist()), grid.direction)


@pytest.mark.parametrize("corrected", [False, True])
def test_labels_on_what_dcm2niix_writes_land_on_the_volume(
    corrected, converted, dcm2niix_files, tmp_path
):
    """Its uncorrected file has the slices as they are: with a header that leans, or ITK's view."""

    def as_classes(dataset, index):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
        dataset.RescaleIntercept = -1024

    planes = converted[0]
    write_slices(tmp_path / "drawn", planes, lambda points: 100 * ball(points), as_classes)
    files = dcm2niix_files(tmp_path / "drawn")
    file = next(one for one in files if ("_Tilt" in one.name or "_Eq" in one.name) == corrected)
    mask = sitk.BinaryThreshold(sitk.ReadImage(str(file)), 50, 1000)
    sitk.WriteImage(mask, str(tmp_path / "drawn.nii.gz"))
    if corrected and planes == ODD["tilted backwards"]:
        # Here dcm2niix puts the corrected volume 32 mm beside the slices that it was made from.
        with pytest.raises(BadCase, match=r"first voxels 62.77 mm apart"):
            _label(converted, tmp_path / "drawn.nii.gz", tmp_path)
        return
    found, warnings = _label(converted, tmp_path / "drawn.nii.gz", tmp_path)
    assert _dice(found, converted[3]) > 0.88
    assert corrected or "voxel for each pixel of the slices" in warnings[0]


def test_a_label_whose_header_leans_lands_on_the_slices(dcm2niix_files, tmp_path):
    write_slices(tmp_path / "dicom", ODD["tilted forwards"])
    (file,) = [one for one in dcm2niix_files(tmp_path / "dicom") if "_Tilt" not in one.name]
    header, voxels = read_image(file, sheared=True)[0].geometry, read_image(file, sheared=True)[0]
    assert np.abs(np.linalg.det(np.reshape(header.direction, (3, 3)))) < 0.99
    series = read_series(tmp_path / "dicom")
    array, _ = placed(
        Volume((voxels.array > 0).astype(np.uint8), header), series.volume.geometry, series.places
    )
    assert _dice(array, series.volume.array > 0) > 0.95


@pytest.mark.parametrize(("name", "angle"), [("tilted forwards", 15), ("tilted backwards", 20)])
def test_a_file_that_leans_is_refused_since_its_slices_are_closer_than_they_were(
    name, angle, dcm2niix_files, tmp_path
):
    write_slices(tmp_path / "dicom", ODD[name])
    (file,) = [one for one in dcm2niix_files(tmp_path / "dicom") if "_Tilt" not in one.name]
    # The slices were 5 mm apart along the patient, as the header's third axis runs.
    along = read_image(file, sheared=True)[0].geometry.affine[:3, 2]
    assert along == pytest.approx([0, 0, 5 * np.cos(np.radians(angle))], abs=1e-4)
    with pytest.raises(BadCase, match=f"slices lean by {angle}.0 degrees .*name the DICOM series"):
        convert_image(file, tmp_path / "a.nii", tmp_path / "a.json", case="c", modality="v")


def test_the_check_says_that_a_series_will_be_resampled(tmp_path):
    write_slices(tmp_path / "scan", ODD["thin in the middle"])
    case = CaseSource("c1", "c1", "", {"venous": tmp_path / "scan"}, {})
    (found,) = inspect_sources([case], {})
    assert found.usable
    assert found.said == (
        "DICOM series, 36 x 40 x 13 voxels of 1.5 x 1.2 x 5 mm once it is resampled"
    )


def test_the_check_accepts_a_label_whose_header_leans(dcm2niix_files, tmp_path):
    write_slices(tmp_path / "scan", ODD["tilted forwards"])
    (file,) = [one for one in dcm2niix_files(tmp_path / "scan") if "_Tilt" not in one.name]
    case = CaseSource(
        "c1", "c1", "", {"venous": tmp_path / "scan"}, {"venous": LabelSource((file,))}
    )
    assert [found.usable for found in inspect_sources([case], {})] == [True, True]


def test_forged_positions_do_not_make_a_volume_grow_without_end(tmp_path):
    planes = [plane((0, 900.0 * index, 1000.0 * index)) for index in range(6)]
    write_slices(tmp_path, planes, lambda points: points[..., 0])
    with pytest.raises(BadCase, match=r"lean by 42.0 degrees, 4500 mm in all; .* 54 mm at most"):
        read_series(tmp_path)
