"""Contours hold exactly the voxels that they were drawn around, for several ways of filling."""

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from scipy import ndimage
from skimage.draw import polygon2mask

from remodal.prediction.contours import contours_of


def masks():
    generator = np.random.default_rng(0)
    for blur in (0, 0.7, 2):
        noise = generator.normal(size=(31, 27))
        yield (ndimage.gaussian_filter(noise, blur) if blur else noise) > 0
    ring = np.zeros((9, 12), bool)
    ring[1:8, 1:11], ring[2:7, 2:5], ring[3:5, 6:10] = True, False, False
    ring[4, 3] = True
    yield ring
    yield np.ones((4, 6), bool)
    yield np.zeros((4, 6), bool)


@pytest.mark.parametrize("mask", masks())
def test_each_contour_filled_by_itself_gives_the_mask(mask):
    """scikit-image knows no holes between contours: all are in the keyholes."""
    found = np.zeros(mask.shape, int)
    for polygon in contours_of(mask):
        found += polygon2mask(mask.shape, polygon[:, ::-1])
    np.testing.assert_array_equal(found, mask)


def test_points_inside_by_winding_number_are_the_mask():
    mask = next(masks())
    centres = np.argwhere(np.ones(mask.shape))[:, ::-1]
    inside = sum(Polygon(ring, closed=False).contains_points(centres) for ring in contours_of(mask))
    np.testing.assert_array_equal(np.reshape(inside, mask.shape), mask)


def test_where_a_contour_goes_straight_on_it_has_no_vertices():
    """The corners of pixels are cut off, so that a rectangle has eight; a keyhole repeats two."""
    mask = np.ones((9, 12), bool)
    [polygon] = contours_of(mask)
    assert len(polygon) == 8
    assert (polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()) == ([-0.5] * 2, [11.5, 8.5])
    mask[3:6, 4:8] = False
    [polygon] = contours_of(mask)
    assert len(polygon) == 8 + 8 + 2
