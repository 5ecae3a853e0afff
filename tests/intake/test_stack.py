import numpy as np
import pytest

from remodal.errors import BadCase
from remodal.intake.dicom import read_series


def _at(heights, sideways=lambda index: (0, 0)):
    """A change that puts slices at heights, and beside one another."""

    def change(dataset, index):
        x, y = sideways(index)
        place = np.array(dataset.ImagePositionPatient, float)
        dataset.ImagePositionPatient = [place[0] + x, place[1] + y, float(heights[index])]

    return change


@pytest.mark.parametrize(
    ("heights", "reason"),
    [
        ((0, 2.5, 5, 10, 15, 20), "changes from 2.5 to 5 mm at slice 3 of 6"),
        ((0, 5, 10, 12.5, 15, 17.5), "changes from 5 to 2.5 mm at slice 3 of 6"),
        ((0, 2.5, 5, 8, 11, 14), "changes from 2.5 to 3 mm at slice 3 of 6"),
        ((0, 2.5, 5, 10, 12.5, 15), "gap: 1 slice missing, the first after slice 3 of 6"),
        ((0, 2.5, 5, 7.5, 10, 15), "gap: 1 slice missing, the first after slice 5 of 6"),
    ],
)
def test_a_step_that_changes_is_told_from_missing_slices(
    heights, reason, image, write_series, tmp_path
):
    write_series(tmp_path, image, _at(heights))
    with pytest.raises(BadCase, match=reason):
        read_series(tmp_path)


@pytest.mark.parametrize(
    ("sideways", "reason"),
    [
        (lambda index: (0, 12.5 * (index > 2)), "sideways, by 12.50 mm after slice 3 of 6"),
        (lambda index: (3 * (index > 0), 4 * (index > 0)), "sideways, by 5.00 mm after slice 1"),
        (lambda index: (3 * (index > 1) + 2 * (index > 3), 0), "by 3.00 mm after slice 2 of 6"),
        (lambda index: (0, 0.5 * index), r"lean by 11.3 degrees \(tilted gantry\)"),
        (lambda index: (0.1 * (index % 2), -0.9 * index), "lean by 19.8 degrees"),
    ],
)
def test_a_table_that_moved_is_told_from_a_tilted_gantry(
    sideways, reason, image, write_series, tmp_path
):
    write_series(tmp_path, image, _at(2.5 * np.arange(6), sideways))
    with pytest.raises(BadCase, match=reason):
        read_series(tmp_path)


def test_a_mosaic_is_refused_as_what_it_is(image, write_series, tmp_path):
    def mosaic(dataset, index):
        dataset.Modality = "MR"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        dataset.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
        dataset.add_new(0x0019100A, "US", 4)

    write_series(tmp_path, image, mosaic)
    with pytest.raises(BadCase, match="each image is a mosaic of many slices"):
        read_series(tmp_path)
