"""Pictures of a slice: orientation, crop, window, arrow, outline."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from tests.orientations import ORIENTATIONS, rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.report.slices import (
    arrow_to,
    box_around,
    draw,
    grey_range,
    read_axial,
    slice_of_most,
)


def pixels(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"), int)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda orientation: orientation.code)
def test_a_slice_looks_the_same_however_the_file_stores_its_axes(tmp_path, orientation):
    array = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    oblique = tilted(Geometry(array.shape, (1.0, 2.0, 3.0)), rotation(15, -10, 20))
    write_volume(tmp_path / "image.nii", orientation.store(Volume(array, oblique)))
    found, spacing = read_axial(tmp_path / "image.nii")
    np.testing.assert_array_equal(found, array)
    assert spacing == pytest.approx((3.0, 2.0, 1.0))


def test_a_ct_gets_an_abdominal_window_and_another_image_its_percentiles():
    ct = np.array([-1000.0, 0.0, 100.0])
    assert grey_range(ct) == (-110.0, 190.0)
    mr = np.linspace(0, 1000, 1001)
    assert grey_range(mr) == pytest.approx((10.0, 995.0))


def test_the_slice_with_most_of_a_mask_is_found():
    mask = np.zeros((3, 4, 4), bool)
    mask[1, :2] = True
    mask[2, 0, 0] = True
    assert slice_of_most(mask) == 1


def test_the_box_is_square_in_millimetres_and_inside_the_slice():
    mask = np.zeros((100, 200), bool)
    mask[2:8, 150:160] = True
    rows, columns = box_around(mask, (2.0, 1.0), least=60.0)
    assert (rows.stop - rows.start) * 2.0 == (columns.stop - columns.start) * 1.0 == 60.0
    assert rows.start == 0
    assert columns.start <= 150
    assert columns.stop >= 160


def test_an_empty_mask_shows_the_whole_slice_and_has_no_arrow():
    empty = np.zeros((30, 40), bool)
    assert box_around(empty, (1.0, 1.0)) == (slice(0, 30), slice(0, 40))
    assert arrow_to(empty, (1.0, 1.0)) is None


@pytest.mark.parametrize("centre", [(20, 20), (20, 80), (80, 20), (80, 80)])
def test_the_arrow_points_at_the_largest_object_from_inside_the_picture(centre):
    mask = np.zeros((100, 100), bool)
    row, column = centre
    mask[row - 5 : row + 5, column - 5 : column + 5] = True
    mask[50, 50] = True
    tail, tip = (np.array(end) for end in arrow_to(mask, (1.0, 1.0)))
    assert np.all((tail >= 0) & (tail < 100))
    lesion = np.array([column, row]) - 0.5
    assert np.linalg.norm(tip - lesion) < np.linalg.norm(tail - lesion)
    x, y = np.round(tip).astype(int)
    assert not mask[y, x]


def test_an_outline_is_red_and_only_where_asked():
    image = np.zeros((40, 40))
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    plain = pixels(draw(image, (1.0, 1.0), (-1.0, 1.0)))
    outlined = pixels(draw(image, (1.0, 1.0), (-1.0, 1.0), outlines=[mask]))
    red = outlined[..., 0] - outlined[..., 2] > 100
    assert not (plain[..., 0] - plain[..., 2] > 100).any()
    rows, columns = np.nonzero(red)
    scale = outlined.shape[0] / 40
    assert rows.min() / scale == pytest.approx(9.5, abs=1)
    assert columns.max() / scale == pytest.approx(29.5, abs=1)


def test_a_picture_has_the_patients_proportions():
    tall = pixels(draw(np.zeros((10, 10)), (3.0, 1.0), (0.0, 1.0)))
    assert tall.shape[:2] == (300, 100)


def test_each_region_has_an_outline_of_its_own_colour():
    whole = np.zeros((40, 40), bool)
    whole[5:35, 5:35] = True
    core = np.zeros_like(whole)
    core[15:25, 15:25] = True
    shown = pixels(draw(np.zeros((40, 40)), (1.0, 1.0), (0, 1), outlines=[whole, core]))
    red = (shown[..., 0] > 200) & (shown[..., 1] < 120)
    green = (shown[..., 1] > 150) & (shown[..., 0] < 120)
    assert red.any()
    assert green.any()
    assert np.argwhere(red).min() < np.argwhere(green).min()  # the core lies inside


def test_a_signed_map_is_white_at_zero_red_below_and_blue_above_with_its_contour():
    ramp = np.tile(np.linspace(-1, 1, 60), (60, 1))  # zero between columns 29 and 30
    truth = np.zeros((60, 60), bool)
    truth[20:40, 5:20] = True
    picture = pixels(
        draw(ramp, (1, 1), (0, 1), heat=ramp, heat_range=(-1, 1), signed=True, outlines=[truth])
    )
    side = picture.shape[1] // 60
    below, above = picture[side * 5, side * 3], picture[side * 5, side * 57]
    assert below[0] > below[2] + 50
    assert above[2] > above[0] + 50
    middle = picture[side * 5, side * 27 : side * 33]
    assert middle.min() < 60  # the contour
    assert picture[side * 5, side * 26].min() > 200  # beside it, nearly white
    red, green, blue = picture[side * 20 : side * 40, side * 5 : side * 20].reshape(-1, 3).T
    assert ((green > red + 30) & (green > blue + 30)).any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_signed_map_without_a_zero_has_no_contour(sign):
    flat = np.full((20, 20), 0.5 * sign)
    picture = pixels(draw(flat, (1, 1), (0, 1), heat=flat, heat_range=(-1, 1), signed=True))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1
