import shlex
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Volume, to_sitk
from remodal.intake.label_source import LabelSource, label_of_options
from remodal.intake.labels import read_label, whole_numbers
from remodal.intake.nifti import write_volume


@pytest.fixture
def label(image) -> Volume:
    array = np.zeros(image.array.shape, np.uint8)
    array[1:4, 5:20, 5:20] = 1
    array[2, 9:14, 3:9] = 2
    return image.with_array(array)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_label_files_keep_their_values(suffix, label, tmp_path):
    path = tmp_path / f"label{suffix}"
    sitk.WriteImage(to_sitk(label), str(path))
    found = read_label(LabelSource((path,)), label.geometry)
    np.testing.assert_array_equal(found.volume.array, label.array)
    assert found.volume.array.dtype == np.uint8
    assert found.volume.geometry == label.geometry


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SPR", "AIL"])
def test_labels_of_another_orientation_are_turned_exactly(orientation, label, tmp_path):
    turned = sitk.DICOMOrient(to_sitk(label), orientation)
    sitk.WriteImage(turned, str(tmp_path / "label.nii.gz"))
    found = read_label(LabelSource((tmp_path / "label.nii.gz",)), label.geometry)
    np.testing.assert_array_equal(found.volume.array, label.array)
    assert found.volume.geometry == label.geometry


def test_labels_as_a_dicom_series(label, write_series, tmp_path):
    write_series(tmp_path, label)
    found = read_label(LabelSource((tmp_path,)), label.geometry)
    np.testing.assert_array_equal(found.volume.array, label.array)
    assert found.kind == "DICOM series"


def test_a_structure_set_alone_in_its_folder(label, tmp_path):
    whole = pydicom.Dataset()
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    whole.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    whole.SOPInstanceUID = "1.2.3"
    contour, roi = pydicom.Dataset(), pydicom.Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR"
    corners = [[4.5, 4.5, 1, 1], [19.5, 4.5, 1, 1], [19.5, 19.5, 1, 1], [4.5, 19.5, 1, 1]]
    contour.ContourData = (label.geometry.affine @ np.array(corners).T)[:3].T.ravel().tolist()
    roi.ReferencedROINumber, roi.ContourSequence = 1, [contour]
    whole.ROIContourSequence = [roi]
    whole.save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    found = read_label(LabelSource((tmp_path,)), label.geometry)
    assert found.kind == "DICOM RTSTRUCT"
    np.testing.assert_array_equal(found.volume.array[1] == 1, label.array[1] == 1)
    assert found.volume.array.sum() == 15 * 15


def test_another_dicom_object_is_no_label(image, write_series, tmp_path):
    write_series(tmp_path, image, skip=range(1, 6))
    with pytest.raises(BadCase, match="holds no label"):
        read_label(LabelSource((next(tmp_path.iterdir()),)), image.geometry)


def test_a_cropped_label_is_put_in_its_place_with_a_warning(label, tmp_path):
    cropped = to_sitk(label)[3:20, 5:20, 1:4]
    sitk.WriteImage(cropped, str(tmp_path / "label.nrrd"))
    found = read_label(LabelSource((tmp_path / "label.nrrd",)), label.geometry)
    np.testing.assert_array_equal(found.volume.array, label.array)
    assert found.warnings == ["the label covers 11.7% of the image: the rest is 0"]


def test_one_file_a_structure_each_with_its_value(label, tmp_path):
    liver, tumour = (label.array > 0).astype(np.uint8), (label.array == 2) * np.uint8(255)
    write_volume(tmp_path / "liver.nii.gz", label.with_array(liver))
    write_volume(tmp_path / "tumour.nii.gz", label.with_array(tumour))
    files = (tmp_path / "tumour.nii.gz", tmp_path / "liver.nii.gz")
    found = read_label(LabelSource(files, (2, 1)), label.geometry)
    np.testing.assert_array_equal(found.volume.array, label.array)
    assert found.kind == "image file"
    whole = read_label(LabelSource(files, (1, 1)), label.geometry)
    np.testing.assert_array_equal(whole.volume.array, liver)
    with pytest.raises(BadCase, match="there is no such label"):
        read_label(LabelSource((*files, tmp_path / "nowhere.nii"), (2, 1, 3)), label.geometry)


def test_values_get_the_numbers_that_the_study_knows(label, tmp_path):
    write_volume(tmp_path / "label.nii.gz", label)
    source = LabelSource((tmp_path / "label.nii.gz",), renumbered=((1, 1), (4, 2)))
    found = read_label(source, label.geometry)
    np.testing.assert_array_equal(found.volume.array, np.array([0, 1, 4])[label.array])


def test_a_value_that_the_release_does_not_have_is_refused(label, tmp_path):
    write_volume(tmp_path / "label.nii.gz", label)
    source = LabelSource((tmp_path / "label.nii.gz",), renumbered=((1, 1), (4, 3)))
    voxels = np.count_nonzero(label.array == 2)
    with pytest.raises(BadCase, match=f"{voxels} voxels .* unknown value 2; expected 0, 1, 3"):
        read_label(source, label.geometry)


def test_options_of_the_command_say_what_the_source_says():
    files = (Path("label.nii"),)
    for source in (
        LabelSource(files, renumbered=((1, 1), (4, 3))),
        LabelSource(files, (2,)),
        LabelSource(files, structures=((1, "left lung"),)),
        LabelSource(files, by_slice_number=True),
    ):
        words = [word.partition("=") for word in shlex.split(source.options)]
        given = {
            option: [said for name, _, said in words if name == f"--{option}"]
            for option in ("value", "structure", "renumber")
        }
        values = [int(value) for value in given["value"]]
        numbered = "--by-slice-number" in source.options
        found = label_of_options(
            list(files), values, given["structure"], given["renumber"], numbered
        )
        assert found == source


@pytest.mark.parametrize("text", ["4", "4=", "a=3", "0=3", "256=1"])
def test_a_wrong_new_value_is_a_clear_error(text):
    with pytest.raises(UserError, match="--renumber"):
        label_of_options([Path("label.nii")], renumbered=[text])


def test_an_image_has_no_named_structures(label, tmp_path):
    write_volume(tmp_path / "label.nii.gz", label)
    named = LabelSource((tmp_path / "label.nii.gz",), structures=((1, "Liver"),))
    with pytest.raises(BadCase, match="the label has no named structures"):
        read_label(named, label.geometry)


def test_a_label_on_another_grid_is_refused(label, tmp_path):
    write_volume(tmp_path / "label.nii.gz", label)
    smaller = type(label.geometry)((5, 32, 34), (0.7, 0.8, 2.5), (-101.5, 20.25, -333.0))
    with pytest.raises(BadCase, match=r"6 x 32 x 34 voxels .* against 5 x 32 x 34"):
        read_label(LabelSource((tmp_path / "label.nii.gz",)), smaller)


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [((0.35, 0.4, 1.25), (12, 64, 68)), ((1.4, 1.6, 2.5), (6, 16, 17)), ((1, 1, 1), (14, 25, 23))],
    ids=["finer", "coarser", "cubes"],
)
def test_a_finer_or_coarser_label_is_resampled_and_told(spacing, shape, label, tmp_path):
    grid = label.geometry
    start = np.array(grid.origin) + (np.array(spacing) - grid.spacing) / 2
    own = type(grid)(shape, spacing, tuple(start.tolist()))
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")[::-1], axis=-1)
    at = np.rint((places * spacing + start - grid.origin) / grid.spacing).astype(int)
    x, y, z = np.moveaxis(np.clip(at, 0, np.array(grid.shape[::-1]) - 1), -1, 0)
    write_volume(tmp_path / "label.nii.gz", Volume(label.array[z, y, x], own))
    found = read_label(LabelSource((tmp_path / "label.nii.gz",)), grid)
    assert found.warnings[0].startswith("the label was resampled onto the image (")
    for value in (1, 2):
        mine, expected = found.volume.array == value, label.array == value
        dice = 2 * (mine & expected).sum() / (mine.sum() + expected.sum())
        assert dice > (0.999 if spacing[0] < 0.5 else 0.7)


def test_a_label_that_reaches_out_of_its_image_is_refused(label, tmp_path):
    grid = label.geometry
    beside = type(grid)((12, 64, 68), (0.35, 0.4, 1.25), (-90.0, 20.25, -333.0))
    write_volume(tmp_path / "label.nii.gz", Volume(np.ones(beside.shape, np.uint8), beside))
    with pytest.raises(BadCase, match=r"another grid .* first voxels 11.5 mm"):
        read_label(LabelSource((tmp_path / "label.nii.gz",)), grid)


def test_a_structure_that_resampling_loses_is_told(label, tmp_path):
    grid = label.geometry
    own = type(grid)((12, 64, 68), (0.35, 0.4, 1.25), (-101.675, 20.15, -333.625))
    array = np.zeros(own.shape, np.uint8)
    array[4:9, 10:30, 10:30], array[6, 41, 41] = 1, 2
    write_volume(tmp_path / "label.nii.gz", Volume(array, own))
    found = read_label(LabelSource((tmp_path / "label.nii.gz",)), grid)
    assert found.warnings[1] == "too small for the image's voxels, lost by resampling: value 2"


def test_a_slightly_rounded_grid_is_told(label, tmp_path):
    write_volume(tmp_path / "label.nii.gz", label)
    moved = type(label.geometry)((6, 32, 34), (0.7, 0.8, 2.5), (-101.465, 20.25, -333.0))
    found = read_label(LabelSource((tmp_path / "label.nii.gz",)), moved)
    assert found.warnings == ["the label's grid is 0.05 voxels off the image's"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0, 1.0, 0.4], "1 voxels of the label are not whole numbers"),
        ([0.0, np.nan, 1.5], "2 voxels of the label are not whole numbers"),
        ([0, -1, 1], "from -1 to 1"),
        ([0, 256, 1], "from 0 to 256"),
        ([0.0, np.inf, 1.0], "from 0 to inf"),
    ],
)
def test_values_that_are_no_classes_are_refused(values, reason):
    with pytest.raises(BadCase, match=reason):
        whole_numbers(np.array(values))


def test_whole_numbers_in_floats_are_fine():
    found = whole_numbers(np.array([0.0, 2.0, 255.0]))
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 2, 255]
