import numpy as np
import pytest
import SimpleITK as sitk

from remodal.intake.convert import convert_image, convert_label
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_volume

SPACING = (0.7, 0.8, 2.5)


@pytest.fixture
def blob(image):
    """The image with one bright blob, off every plane of symmetry, and the blob alone."""
    drawn = np.zeros(image.array.shape, bool)
    drawn[1:3, 5:12, 20:31] = True
    drawn[3, 6:9, 22:25] = True
    return image.with_array(np.where(drawn, 900, -500).astype(np.int16)), drawn


def _numbered(order):
    """Changes a slice's number; `falling` is how scanners count, from the head down."""

    def change(dataset, index):
        dataset.InstanceNumber = {"rising": index + 1, "falling": 6 - index, "same": 1}[order]

    return change


def _write_label(path, drawn, order, spacing=SPACING):
    """The blob by column, row and slice number, under a header that places it elsewhere."""
    voxels = drawn[::-1] if order == "falling" else drawn
    label = sitk.GetImageFromArray(voxels.astype(np.uint8))
    label.SetSpacing(spacing)
    label.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(label, str(path))


@pytest.fixture
def convert(blob, write_series, tmp_path):
    """Converts the blob's series and its label; returns the label's record and voxels."""
    image, drawn = blob

    def run(order, spacing=SPACING, drawn=drawn, by_slice_number=True):
        write_series(tmp_path / "series", image, _numbered(order))
        _write_label(tmp_path / "label.nii.gz", drawn, order, spacing)
        volume, record = tmp_path / "ct.nii.gz", tmp_path / "ct.json"
        convert_image(tmp_path / "series", volume, record, case="c1", modality="ct")
        source = LabelSource((tmp_path / "label.nii.gz",), by_slice_number=by_slice_number)
        output = tmp_path / "label-ct.nii.gz"
        found = convert_label(
            source,
            record,
            volume,
            output,
            tmp_path / "label-ct.json",
            case="c1",
            drawn_on="ct",
            quarantine=True,
        )
        return found, read_volume(output).array if found.ok else None

    return run


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_a_label_by_slice_number_lands_on_what_it_was_drawn_on(order, convert, tmp_path):
    # The files' names are in another order than their numbers.
    record, label = convert(order)
    assert record.warnings == []
    seen = read_volume(tmp_path / "ct.nii.gz").array > 0
    assert seen.any()
    np.testing.assert_array_equal(label > 0, seen)


def test_its_header_would_place_it_elsewhere(convert):
    record, _ = convert("rising", by_slice_number=False)
    assert "the label is on another grid than the image" in record.reason


def test_an_image_without_steady_slice_numbers_is_refused(convert):
    record, _ = convert("same")
    assert "follows the slices' numbers, which the image does not have" in record.reason


def test_another_number_of_voxels_is_refused(blob, convert):
    record, _ = convert("rising", drawn=blob[1][:5])
    assert "5 x 32 x 34 voxels (z, y, x) against 6 x 32 x 34" in record.reason


def test_a_header_of_another_spacing_is_told(convert):
    record, label = convert("rising", spacing=(1, 1, 1))
    assert record.warnings == [
        "the label's header has a spacing of 1 x 1 x 1 mm, the image 0.7 x 0.8 x 2.5 mm"
    ]
    assert label.any()
