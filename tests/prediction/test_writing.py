"""Segmentations as DICOM SEG and RTSTRUCT: valid, and at the places of the NIfTI file."""

from pathlib import Path
from types import SimpleNamespace

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.dicom import read_series
from remodal.intake.label_source import parse_label
from remodal.intake.labels import read_label
from remodal.prediction.original import OriginalSeries, on_slices, original_series
from remodal.prediction.writing import Origin, write_segmentation

from .dicom import (
    GRIDS,
    blobs,
    farthest,
    faults,
    filled_contours,
    points_of_image,
    points_of_seg,
    read_drawn,
    read_image,
    write_patient,
)

ORIGIN = Origin(["liver", "hepatic_tumour"], "MAML", "ab" * 32)
#: What says who the patient is, and of which study: as in the original.
SAME = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID")


def written(folder: Path, series: Path, label: Volume, ending: str) -> Path:
    path = folder / f"found{ending}"
    drawn_on = original_series(series, "venous") if ending.endswith(".dcm") else None
    write_segmentation(path, label, ORIGIN, drawn_on)
    return path


@pytest.mark.parametrize("orientation", GRIDS)
def test_a_seg_is_valid_and_its_voxels_lie_where_those_of_the_nifti_file_lie(tmp_path, orientation):
    grid = GRIDS[orientation]
    series, label = write_patient(tmp_path / "series", grid), blobs(grid)
    seg = written(tmp_path, series, label, ".dcm")
    image = sitk.ReadImage(str(written(tmp_path, series, label, ".nii.gz")))
    assert faults(seg) == []
    found, expected = points_of_seg(seg), points_of_image(image)
    assert set(found) == set(expected) == {1, 2}
    for value in (1, 2):
        assert farthest(found[value], expected[value]) < 1e-3
    np.testing.assert_array_equal(read_drawn(seg, series), label.array)


@pytest.mark.parametrize("orientation", GRIDS)
def test_an_rtstruct_is_valid_and_holds_the_same_voxels_with_their_holes(tmp_path, orientation):
    grid = GRIDS[orientation]
    series, label = write_patient(tmp_path / "series", grid), blobs(grid)
    drawn = written(tmp_path, series, label, ".rtstruct.dcm")
    assert faults(drawn) == []
    np.testing.assert_array_equal(read_drawn(drawn, series), label.array)
    written(tmp_path, series, label, ".nii.gz")
    image = read_image(series)
    by_scikit_image = sitk.GetImageFromArray(filled_contours(drawn, image))
    by_scikit_image.CopyInformation(image)
    found = points_of_image(by_scikit_image)
    expected = points_of_image(sitk.ReadImage(str(tmp_path / "found.nii.gz")))
    for value in (1, 2):
        assert farthest(found[value], expected[value]) < 1e-2
    dataset = pydicom.dcmread(drawn)
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == ORIGIN.classes
    slices = {pydicom.dcmread(file).SOPInstanceUID for file in series.iterdir()}
    contours = [one for roi in dataset.ROIContourSequence for one in roi.ContourSequence]
    assert {c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours} == slices


def test_a_contour_may_have_many_points(tmp_path):
    """A comb: one contour of more than the 64 KB that an element of explicit length may have."""
    grid = Geometry((2, 130, 140), (0.7, 0.8, 2.0), (-100.5, 20.25, 7.0))
    array = np.zeros(grid.shape, np.uint8)
    array[0, 5], array[0, 5:125, 3:137:2] = 1, 1
    array[0, 40:90:2, 3:137] = 1
    series = write_patient(tmp_path / "series", grid)
    drawn = written(tmp_path, series, Volume(array, grid), ".rtstruct.dcm")
    [roi] = pydicom.dcmread(drawn).ROIContourSequence[:1]
    assert max(len(",".join(map(str, c.ContourData))) for c in roi.ContourSequence) > 1 << 16
    np.testing.assert_array_equal(read_drawn(drawn, series), array)
    assert faults(drawn) == []


def test_a_seg_names_its_classes_and_its_slices_and_copies_the_patient(tmp_path):
    series = write_patient(tmp_path / "series", GRIDS["axial"])
    path = written(tmp_path, series, blobs(GRIDS["axial"]), ".dcm")
    seg = highdicom.seg.segread(path)
    first = pydicom.dcmread(next(iter(series.iterdir())))
    assert [seg.get_segment_description(n).SegmentLabel for n in (1, 2)] == ORIGIN.classes
    kinds = [seg.get_segment_description(n).segmented_property_type.meaning for n in (1, 2)]
    assert kinds == ["Liver", "Neoplasm"]
    colours = {tuple(one.RecommendedDisplayCIELabValue) for one in seg.SegmentSequence}
    assert len(colours) == 2
    assert seg.FrameOfReferenceUID == first.FrameOfReferenceUID
    referred = {uid for _, _, uid in seg.get_source_image_uids()}
    assert referred == {pydicom.dcmread(file).SOPInstanceUID for file in series.iterdir()}
    for keyword in SAME:
        assert seg[keyword].value == first[keyword].value


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_nothing_found_is_a_valid_object_too(tmp_path, ending):
    series = write_patient(tmp_path / "series", GRIDS["axial"])
    label = Volume(np.zeros(GRIDS["axial"].shape, np.uint8), GRIDS["axial"])
    path = written(tmp_path, series, label, ending)
    assert faults(path) == []
    assert not read_drawn(path, series).any()


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_a_volume_on_another_grid_than_the_slices_is_sampled_at_their_pixels(tmp_path, ending):
    """As of a series that was resampled because its gantry was tilted."""
    slices = GRIDS["axial"]
    series = write_patient(tmp_path / "series", slices)
    shape = (2 * slices.shape[0], slices.shape[1] + 8, slices.shape[2] + 8)
    steps = (*slices.spacing[:2], slices.spacing[2] / 2)
    origin = np.array(slices.origin) - (4 * steps[0], 4 * steps[1], steps[2] / 4)
    fine = np.zeros(shape, np.uint8)
    fine[8:15, 9:17, 10:22] = 1
    label = Volume(fine, Geometry(shape, steps, tuple(origin)))
    found = read_drawn(written(tmp_path, series, label, ending), series)
    places = np.round((np.arange(slices.shape[0]) * 2) + 0.25).astype(int)
    np.testing.assert_array_equal(found, fine[places][:, 4:-4, 4:-4])


def test_a_volume_of_larger_voxels_covers_the_pixels_to_its_borders(tmp_path):
    """As far out as its voxels reach, not as their centres do."""
    slices = GRIDS["axial"]
    series = original_series(write_patient(tmp_path / "series", slices), "venous")
    x, y, z = slices.spacing
    shape = (slices.shape[0], slices.shape[1] // 2, slices.shape[2] // 2)
    corner = np.array(slices.origin) + np.array([x / 2, y / 2, 0])
    whole = Volume(np.ones(shape, np.uint8), Geometry(shape, (2 * x, 2 * y, z), tuple(corner)))
    found = on_slices(whole, series)
    rows, columns = 2 * shape[1], 2 * shape[2]
    assert found[:, :rows, :columns].all()
    assert not found[:, rows:].any()
    assert not found[:, :, columns:].any()


def test_slices_are_as_thick_as_most_are_apart_in_whatever_order_they_are():
    slices = [
        SimpleNamespace(orientation=(1, 0, 0, 0, 1, 0), position=(7.0, 8.0, z))
        for z in (10.0, 0.0, 5.0, 30.0)
    ]
    assert OriginalSeries(slices, []).thickness == 5
    assert OriginalSeries(slices[:1], []).thickness == 1


def write_multi_frame(folder: Path, grid: Geometry) -> Path:
    """A series as one file, in a folder of its own."""
    series = write_patient(folder / "series", grid)
    slices = [pydicom.dcmread(file) for file in sorted(series.iterdir())]
    uids = [pydicom.uid.generate_uid() for _ in range(2)]
    multi = highdicom.legacy.LegacyConvertedEnhancedCTImage(slices, uids[0], 4, uids[1], 1)
    (folder / "multi").mkdir()
    multi.save_as(folder / "multi/all.dcm")
    return folder / "multi"


def test_a_multi_frame_file_is_referred_to_frame_by_frame(tmp_path):
    multi = write_multi_frame(tmp_path, GRIDS["oblique"])
    label = blobs(GRIDS["oblique"])
    for ending in (".dcm", ".rtstruct.dcm"):
        path = written(tmp_path, multi, label, ending)
        assert faults(path) == []
        np.testing.assert_array_equal(read_drawn(path, multi), label.array)


def test_of_some_frames_of_a_file_as_of_one_phase_only_these_are_drawn_on(tmp_path):
    grid = GRIDS["axial"]
    whole = original_series(write_multi_frame(tmp_path, grid), "venous")
    from_feet = sorted(whole.slices, key=lambda one: one.position[2])
    half = OriginalSeries(from_feet[::2], whole.headers)
    steps = (*grid.spacing[:2], 2 * grid.spacing[2])
    every_second = Geometry((len(half.slices), *grid.shape[1:]), steps, grid.origin)
    label = Volume(blobs(grid).array[::2], every_second)
    for ending in (".dcm", ".rtstruct.dcm"):
        path = tmp_path / f"found{ending}"
        write_segmentation(path, label, ORIGIN, half)
        assert faults(path) == []
        found = read_label(parse_label(str(path), ""), every_second).volume.array
        np.testing.assert_array_equal(found, label.array)


def test_an_image_that_is_no_dicom_series_is_one_clear_line(tmp_path):
    image = tmp_path / "venous.nii.gz"
    image.write_bytes(b"")
    with pytest.raises(UserError, match="refers to the slices of a DICOM series, and the venous"):
        original_series(image, "venous")


def test_a_series_without_uids_is_one_clear_line(tmp_path):
    series = write_patient(tmp_path / "series", GRIDS["axial"])
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.FrameOfReferenceUID
        dataset.save_as(file)
    with pytest.raises(UserError, match="FrameOfReferenceUID is missing in 14 of 14 files"):
        original_series(series, "venous")


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_odd_headers_do_not_matter_and_names_of_any_alphabet_are_copied(tmp_path, ending):
    """Elements are missing or wrong; the name is in Japanese, as PS3.5 H.3 has it."""
    series, label = write_patient(tmp_path / "series", GRIDS["axial"]), blobs(GRIDS["axial"])
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = name
        for keyword in ("SliceThickness", "StudyID", "Manufacturer", "PatientBirthDate"):
            del dataset[keyword]
        with pydicom.config.disable_value_validation():
            dataset.PatientSex = "weiblich"
            dataset.StudyDate = "2021.01.04"
            dataset.LossyImageCompression = "01"
            dataset.save_as(file)
    path = written(tmp_path, series, label, ending)
    dataset = pydicom.dcmread(path)
    assert str(dataset.PatientName) == name
    assert (dataset.PatientSex, dataset.StudyDate, dataset.StudyID) == (
        "weiblich",
        "2021.01.04",
        "",
    )
    np.testing.assert_array_equal(read_drawn(path, series), label.array)


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_equal_results_have_equal_uids_and_others_have_not(tmp_path, ending):
    """A result that is sent twice is one object for a PACS."""
    series, label = write_patient(tmp_path / "series", GRIDS["axial"]), blobs(GRIDS["axial"])
    uids = []
    for array in (label.array, label.array.copy(), label.array[::-1]):
        path = written(tmp_path, series, label.with_array(array), ending)
        dataset = pydicom.dcmread(path)
        uids.append((dataset.SOPInstanceUID, dataset.SeriesInstanceUID))
    assert uids[0] == uids[1]
    assert not set(uids[0]) & set(uids[2])


@pytest.mark.parametrize("ending", [".dcm", ".rtstruct.dcm"])
def test_of_a_tilted_gantry_the_original_slices_are_drawn_on(tmp_path, ending):
    """The series is read onto a regular grid; an ellipsoid is found where it is in the patient."""
    grid = GRIDS["axial"]
    series = write_patient(tmp_path / "series", grid)
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        x, y, z = map(float, dataset.ImagePositionPatient)
        lean = np.tan(np.radians(15)) * (z - grid.origin[2])
        dataset.ImagePositionPatient = [f"{x:.6f}", f"{y + lean:.6f}", f"{z:.6f}"]
        dataset.save_as(file)
    volume = read_series(series).volume
    assert volume.geometry.shape != grid.shape
    centre, radii = grid.affine[:3] @ [11, 9, 6, 1] + [0, 4, 0], np.array([6.0, 6.0, 11.0])

    def inside(places: np.ndarray) -> np.ndarray:
        return (((places - centre) / radii) ** 2).sum(axis=-1) <= 1

    k, j, i = np.indices(volume.geometry.shape)
    places = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ volume.geometry.affine[:3].T
    label = volume.with_array(inside(places).astype(np.uint8))
    path = written(tmp_path, series, label, ending)
    assert faults(path) == []
    slices = original_series(series, "venous")
    row, column = np.indices(grid.shape[1:])
    pixels = np.stack([column, row, 0 * row, 1 + 0 * row], axis=-1)
    planes = [slices.plane(number).affine[:3].T for number in range(len(slices.slices))]
    expected = inside(np.stack([pixels @ plane for plane in planes]))
    found = on_slices(label, slices).astype(bool)
    assert (found != expected).sum() < 0.1 * expected.sum()  # it is 16 pixels wide
