"""Volumes, lesions and diameters, against SimpleITK and against shapes that are known."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.prediction.measuring import measure, structures_of

GRID = Geometry((20, 60, 70), (0.8, 0.5, 2.5))


def test_volumes_and_counts_are_those_of_simpleitk():
    noise = np.random.default_rng(0).normal(size=GRID.shape)
    mask = ndimage.gaussian_filter(noise, 2) > 0.12
    [found] = measure(Volume(mask.astype(np.uint8), GRID), {"tumour": [1]})
    image = to_sitk(Volume(mask.astype(np.uint8), GRID))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(sitk.ConnectedComponent(image, True))
    sizes = [statistics.GetPhysicalSize(label) / 1000 for label in statistics.GetLabels()]
    assert found.lesions == len(sizes) > 5
    assert found.volume_ml == pytest.approx(sum(sizes), abs=1e-3)
    assert found.largest_ml == pytest.approx(max(sizes), abs=1e-3)


def test_the_diameter_is_that_of_an_ellipse_in_the_plane_of_the_slices():
    """Its axes are 30 and 12 mm in the slice; across slices the shape is longer."""
    z, y, x = np.ogrid[:20, :60, :70]
    along, across = (x - 35) * 0.8, (y - 30) * 0.5
    turned = np.cos(0.5) * along + np.sin(0.5) * across, np.cos(0.5) * across - np.sin(0.5) * along
    inside = (turned[0] / 15) ** 2 + (turned[1] / 6) ** 2 + 0 * z <= 1
    [found] = measure(Volume(inside.astype(np.uint8), GRID), {"tumour": [1]})
    assert found.largest_diameter_mm == pytest.approx(30, abs=0.8)


def test_of_several_parts_the_largest_counts_and_regions_join_classes():
    array = np.zeros(GRID.shape, np.uint8)
    array[2, 5, 3:13] = 1  # 10 pixels of 0.8 mm: 8 mm
    array[9:12, 20:24, 20:24] = 1
    array[12, 24, 24] = 2  # touches the second by a corner
    found = measure(Volume(array, GRID), {"one": [1], "two": [2], "both": [1, 2]})
    assert [one.lesions for one in found] == [2, 1, 2]
    assert found[1].largest_diameter_mm == pytest.approx(0.8)
    assert found[2].largest_ml == pytest.approx(49 * 0.8 * 0.5 * 2.5 / 1000, abs=1e-4)


def test_nothing_found_is_zero():
    [found] = measure(Volume(np.zeros(GRID.shape, np.uint8), GRID), {"tumour": [1]})
    assert (found.volume_ml, found.lesions, found.largest_diameter_mm) == (0, 0, 0)


def test_a_row_of_pixels_is_as_long_as_its_pixels():
    array = np.zeros(GRID.shape, np.uint8)
    array[2, 5, 3:13] = 1
    [found] = measure(Volume(array, GRID), {"tumour": [1]})
    assert found.largest_diameter_mm == pytest.approx(8.0)


def test_the_classes_of_a_study_are_measured_and_then_its_unions():
    data = {
        "name": "brains",
        "modalities": ["t1"],
        "classes": {"core": [1], "oedema": [2], "enhancing": [4]},
        "regions": {"whole": ["core", "oedema", "enhancing"], "enhancing": ["enhancing"]},
    }
    assert structures_of({"data": data}) == {
        **{"core": [1], "oedema": [2], "enhancing": [3]},
        "whole": [1, 2, 3],
    }
