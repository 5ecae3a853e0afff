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
        ((0, 2.5, 5, 10, 12.5, 15), "gap: 1 slice missing, after slice 3 of 6"),
        ((0, 2.5, 5, 7.5, 10, 15), "gap: 1 slice missing, after slice 5 of 6"),
        ((0, 5, 7.5, 10, 15, 17.5), "gap: 2 slices missing, after slice 1, 4 of 6"),
        ((0, 2.5, 5, 7.5, 11.7, 14.2), "non-uniform .* 4.2 mm after slice 4 of 6"),
        ((0, 2.5, 5, 8.1, 10, 12.5), "slices lie up to 0.60 mm beside"),
        ((0, 2.5, 5, 40, 75, 110), "changes from 2.5 to 35 mm; .* more than 10 times"),
    ],
)
def test_steps_that_are_a_mistake_are_refused(heights, reason, image, write_series, tmp_path):
    write_series(tmp_path, image, _at(heights))
    with pytest.raises(BadCase, match=reason):
        read_series(tmp_path)


def test_slices_whose_numbers_skip_some_are_incomplete_however_many_are_missing(
    image, write_series, tmp_path
):
    def change(dataset, index):
        _at((0, 2.5, 5, 10, 15, 20))(dataset, index)
        dataset.InstanceNumber = (1, 2, 3, 5, 7, 9)[index]

    write_series(tmp_path, image, change)
    with pytest.raises(BadCase, match="gap: 3 slices missing, after slice 3, 4, 5 of 6"):
        read_series(tmp_path)


@pytest.mark.parametrize(
    ("sideways", "reason"),
    [
        (lambda index: (0, 12.5 * (index > 2)), "sideways, by 12.50 mm after slice 3 of 6"),
        (lambda index: (3 * (index > 0), 4 * (index > 0)), "sideways, by 5.00 mm after slice 1"),
        (lambda index: (3 * (index > 1) + 2 * (index > 3), 0), "by 3.00 mm after slice 2 of 6"),
        (lambda index: (0, 4 * index), "lean by 58.0 degrees, 20 mm in all; .* 45 degrees"),
        (lambda index: (0, 0.5 * index + 0.4 * (index == 2)), "slices lie up to 0.40 mm beside"),
    ],
)
def test_slices_that_are_shifted_otherwise_than_by_a_tilted_gantry_are_refused(
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
