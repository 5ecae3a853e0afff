import matplotlib.path
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.contours import filled, read_structures

GRID = Geometry((5, 20, 24), (0.7, 0.8, 2.5), (-100.0, 20.0, 30.0))


def _structures(contours: dict[int, list], kind="CLOSED_PLANAR") -> pydicom.Dataset:
    """An RTSTRUCT of contours given in voxels: ROI number to lists of (x, y, z) vertices."""
    whole = pydicom.Dataset()
    whole.ROIContourSequence = []
    for number, polygons in contours.items():
        roi = pydicom.Dataset()
        roi.ReferencedROINumber = number
        roi.ContourSequence = []
        for polygon in polygons:
            contour = pydicom.Dataset()
            contour.ContourGeometricType = kind
            indices = np.c_[np.asarray(polygon, float), np.ones(len(polygon))]
            contour.ContourData = (GRID.affine @ indices.T)[:3].T.ravel().round(3).tolist()
            roi.ContourSequence.append(contour)
        whole.ROIContourSequence.append(roi)
    return whole


def _square(low, high, z):
    return [(low, low, z), (high, low, z), (high, high, z), (low, high, z)]


def test_a_square_fills_the_voxels_whose_centres_it_holds():
    mask = filled([np.array([(2.5, 1.5), (6.5, 1.5), (6.5, 4.5), (2.5, 4.5)])], (8, 9))
    expected = np.zeros((8, 9), bool)
    expected[2:5, 3:7] = True
    np.testing.assert_array_equal(mask, expected)


def test_polygons_that_share_a_border_share_no_voxel():
    left = np.array([(1, 1), (4, 1), (4, 5), (1, 5)])
    right = left + np.array([3, 0])
    masks = [filled([one], (8, 9)) for one in (left, right)]
    assert masks[0].sum() == masks[1].sum() == 12
    assert not (masks[0] & masks[1]).any()


def test_a_contour_inside_another_cuts_a_hole_and_an_island_fills_it_again():
    squares = [np.array(_square(low, 19 - low, 0))[:, :2] + 0.25 for low in (1, 4, 7)]
    mask = filled(squares, (20, 20))
    assert mask[2, 2]
    assert not mask[5, 5]
    assert mask[9, 9]


def test_a_keyhole_contour_cuts_a_hole_too():
    outer = [(1.5, 1.5), (10.5, 1.5), (10.5, 10.5), (1.5, 10.5), (1.5, 1.5)]
    inner = [(4.5, 4.5), (4.5, 7.5), (7.5, 7.5), (7.5, 4.5), (4.5, 4.5)]
    mask = filled([np.array([*outer, *inner])], (12, 12))
    assert mask.sum() == 9 * 9 - 3 * 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(-3, 26), st.integers(-3, 22)), min_size=3, max_size=9),
        min_size=1,
        max_size=3,
    )
)
def test_filling_agrees_with_matplotlib(polygons):
    # Vertices off the lattice, so that no voxel's centre is on an edge.
    rng = np.random.default_rng(len(polygons))
    polygons = [np.array(one) + rng.uniform(0.1, 0.4, (len(one), 2)) for one in polygons]
    y, x = np.mgrid[:20, :24]
    centres = np.c_[x.ravel(), y.ravel()]
    expected = np.zeros(20 * 24, bool)
    near = np.zeros(20 * 24, bool)
    for polygon in polygons:
        closed = matplotlib.path.Path(np.r_[polygon, polygon[:1]])
        expected ^= closed.contains_points(centres)
        # Of a centre within rounding of an edge either answer is right.
        for start, end in zip(polygon, np.roll(polygon, -1, axis=0)):
            along = end - start
            off = np.abs(np.cross(np.r_[along, 0], np.c_[centres - start, 0 * centres[:, 0]]))
            near |= off[:, 2] < 1e-3 * np.linalg.norm(along)
    mask = filled(polygons, (20, 24)).ravel()
    np.testing.assert_array_equal(mask[~near], expected[~near])


def test_rois_are_painted_on_their_slices_higher_number_last():
    whole = _structures(
        {
            2: [_square(4.5, 8.5, 1)],
            1: [_square(2.5, 12.5, z) for z in (1, 3)],
        }
    )
    array, warnings = read_structures(whole, GRID)
    assert warnings == []
    assert np.bincount(array.ravel()).tolist() == [5 * 20 * 24 - 200, 200 - 16, 16]
    assert array[1, 6, 6] == 2
    assert array[3, 6, 6] == 1
    assert not array[[0, 2, 4]].any()


def test_contours_on_an_image_that_runs_the_other_way():
    flipped = Geometry(GRID.shape, GRID.spacing, GRID.origin, (-1, 0, 0, 0, 1, 0, 0, 0, -1))
    origin = tuple((GRID.affine @ [23, 0, 4, 1])[:3])
    flipped = Geometry(GRID.shape, GRID.spacing, origin, flipped.direction)
    whole = _structures({1: [_square(2.25, 12.25, 1)]})
    upright, _ = read_structures(whole, GRID)
    turned, _ = read_structures(whole, flipped)
    np.testing.assert_array_equal(turned[::-1, :, ::-1], upright)


def test_points_and_empty_rois_are_left_out_and_told():
    whole = _structures({1: [_square(2.5, 12.5, 1)], 2: []})
    whole.ROIContourSequence.append(_structures({3: [[(1, 1, 1)]]}, "POINT").ROIContourSequence[0])
    _, warnings = read_structures(whole, GRID)
    assert warnings == [
        "left out: ROIs without a closed contour (2)",
        "left out: contours that are points or open lines (1)",
    ]


def test_an_roi_that_is_named_and_not_drawn_is_told():
    whole = _structures({1: [_square(2.5, 12.5, 1)]})
    whole.StructureSetROISequence = [pydicom.Dataset(), pydicom.Dataset()]
    for number, roi in enumerate(whole.StructureSetROISequence, 1):
        roi.ROINumber, roi.ROIName = number, "liver"
    assert read_structures(whole, GRID)[1] == ["left out: ROIs without a closed contour (1)"]
    del whole.ROIContourSequence
    with pytest.raises(BadCase, match="has no contours"):
        read_structures(whole, GRID)


def test_contours_of_one_roi_in_two_places_are_both_filled():
    whole = _structures({1: [_square(2.5, 5.5, 1)]})
    whole.ROIContourSequence += _structures({1: [_square(7.5, 9.5, 2)]}).ROIContourSequence
    array, _ = read_structures(whole, GRID)
    assert array[1].sum() == 9
    assert array[2].sum() == 4


@pytest.mark.parametrize("off", [-0.19, 0.19])
def test_a_contour_may_lie_off_its_slice_by_rounding(off):
    exact, found = (
        read_structures(_structures({1: [_square(2.5, 5.5, z)]}), GRID)[0] for z in (1, 1 + off)
    )
    assert exact[1].sum() == 9
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        (_square(2, 5, 1.5), "between the image's slices"),
        (_square(2, 5, 1.21), "between the image's slices"),
        ([*_square(2, 5, 1)[:3], (2, 5, 1.3)], "between the image's slices or across"),
        ([(2, 2, 0), (2, 9, 0), (2, 9, 3)], "between the image's slices or across"),
        (_square(2, 5, 7), "above or below the image"),
    ],
)
def test_contours_of_another_image_are_refused(polygon, reason):
    with pytest.raises(BadCase, match=reason):
        read_structures(_structures({1: [polygon]}), GRID)


def test_rois_are_taken_by_name():
    whole = _structures({300: [_square(1, 18, 1)], 7: [_square(5, 9, 1)], 8: [_square(2, 4, 1)]})
    whole.StructureSetROISequence = []
    for number, name in ((300, "Liver"), (7, "GTV 1"), (8, "Kidney")):
        roi = pydicom.Dataset()
        roi.ROINumber, roi.ROIName = number, name
        whole.StructureSetROISequence.append(roi)
    array, _ = read_structures(whole, GRID, [(2, "gtv 1 "), (1, "liver")])
    expected = np.zeros(GRID.shape, np.uint8)
    expected[1, 1:18, 1:18] = 1
    expected[1, 5:9, 5:9] = 2
    np.testing.assert_array_equal(array, expected)
    with pytest.raises(BadCase, match=r"none of the 3 structures is named `GTV`"):
        read_structures(whole, GRID, [(1, "GTV")])


def test_roi_numbers_beyond_a_byte_are_refused():
    with pytest.raises(BadCase, match="structure number 256"):
        read_structures(_structures({256: [_square(2, 5, 1)]}), GRID)
