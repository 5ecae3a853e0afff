"""The quality picture: what a reader would take it to mean."""

import numpy as np
import pytest
from PIL import Image
from tests.orientations import ORIENTATIONS

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.picture import Pair, draw_pairs

GRID = Geometry((12, 20, 30), (4.0, 4.0, 8.0), (-60.0, -40.0, 0.0))
YELLOW = (255, 214, 10)


def scan(value: float) -> np.ndarray:
    """A body in air with a bright mark in front, at the patient's right and near the head."""
    image = np.full(GRID.shape, -1000, np.int16)
    image[1:-1, 2:-2, 2:-2] = value
    image[8:10, 3:6, 4:8] = 240
    return image


def liver() -> np.ndarray:
    """A ball whose largest sections go through the bright mark."""
    places = np.indices(GRID.shape) - np.array([9, 4, 6])[:, None, None, None]
    radii = np.array([2.5, 3.5, 4.5])[:, None, None, None]
    return (np.sum((places / radii) ** 2, axis=0) < 1).astype(np.uint8)


def drawn(path, fixed, label, pairs) -> np.ndarray:
    draw_pairs(path, "venous", fixed, label, pairs, body_threshold=-300.0)
    return np.asarray(Image.open(path))


def test_there_is_a_row_before_and_a_row_after(tmp_path):
    fixed = Volume(scan(100), GRID)
    alone = drawn(tmp_path / "alone.png", fixed, liver(), [])
    pair = Pair("arterial", Volume(scan(20), GRID), fixed)
    picture = drawn(tmp_path / "pair.png", fixed, liver(), [pair])
    assert picture.shape[0] == 2 * alone.shape[0]
    before, after = np.split(picture, 2)
    # The image that equals the fixed one shows no tiles: its row is the fixed image alone.
    np.testing.assert_array_equal(after[30:], alone[30:])
    assert (before[30:] != alone[30:]).any()


def test_the_labels_outline_is_drawn_and_an_empty_label_has_none(tmp_path):
    fixed = Volume(scan(100), GRID)
    with_label = drawn(tmp_path / "a.png", fixed, liver(), [])
    without = drawn(tmp_path / "b.png", fixed, np.zeros_like(liver()), [])
    assert (with_label == YELLOW).all(axis=-1).sum() > 200
    assert not (without == YELLOW).all(axis=-1).any()


def test_the_patients_right_is_left_and_the_head_up(tmp_path):
    picture = drawn(tmp_path / "a.png", Volume(scan(0), GRID), liver(), [])[30:]
    bright = (picture == picture.max()).all(axis=-1)
    # Panels of 26, 26 and 16 voxels: the body's width twice, then its depth.
    width = round(picture.shape[1] * 26 / (26 + 26 + 16))
    for panel in (bright[:, :width], bright[:, width : 2 * width]):
        rows, columns = np.nonzero(panel)
        assert columns.mean() < panel.shape[1] / 2
        assert rows.mean() < panel.shape[0] / 2


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> np.ndarray:
    """Fixed and moving image and label in LPS order."""
    path = tmp_path_factory.mktemp("plain") / "a.png"
    pair = Pair("arterial", Volume(scan(20), GRID), Volume(scan(50), GRID))
    return drawn(path, Volume(scan(0), GRID), liver(), [pair])


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda orientation: orientation.code)
def test_the_order_of_storage_does_not_show(plain, tmp_path, orientation):
    fixed, label = (orientation.store(Volume(array, GRID)) for array in (scan(0), liver()))
    after = orientation.store(Volume(scan(50), GRID))
    pair = Pair("arterial", Volume(scan(20), GRID), after)
    found = drawn(tmp_path / "b.png", fixed, label.array, [pair])
    # Where tissue lies half-way between two voxels of a linear interpolation, rounding decides.
    assert np.abs(found.astype(int) - plain).max() <= 1
