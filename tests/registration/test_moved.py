"""One image of a case on the case's grid: what a reader is told to look at."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from remodal.geometry.volume import Geometry, Volume
from remodal.registration.alignment import Images
from remodal.registration.common_grid import common_grid, on_grid
from remodal.registration.moved import move_image
from remodal.settings import GridSettings, RegistrationSettings

#: Where the patient's anatomy is drawn; the images show parts of it.
WHOLE = Geometry((20, 40, 40), (2.0, 2.0, 4.0))
ALL = GridSettings(extent="all")


def part(first: int, last: int) -> Volume:
    """The columns from one to another, along x."""
    anatomy = gaussian_filter(np.random.default_rng(0).normal(size=WHOLE.shape), 2) * 1000
    grid = Geometry((20, 40, last - first), WHOLE.spacing, (2.0 * first, 0.0, 0.0))
    return Volume(anatomy[:, :, first:last].astype(np.float32), grid)


def settings(method: str, **more) -> RegistrationSettings:
    return RegistrationSettings(
        method=method, fixed="t2", body_threshold=None, outside=0, grid=ALL, **more
    )


@pytest.fixture
def move(tmp_path):
    def moved(images: Images, way: RegistrationSettings):
        return move_image(images, way, "t1", "a", tmp_path / "t1.nii.gz", tmp_path)

    return moved


def on_one_grid(fixed: Volume, moving: Volume, *masks: Volume) -> Images:
    """As a case's images are, on a grid that holds both."""
    grid = common_grid(fixed.geometry, [moving.geometry], ALL)
    return Images(on_grid(fixed, grid, 0), moving, *(masks or (None, None)), fixed.geometry)


def test_images_that_lie_apart_on_one_grid_are_judged_where_the_fixed_one_was_scanned(move):
    """The fixed image has 24 columns of the grid's 40, and the moving one 18 of these."""
    found = move(on_one_grid(part(0, 24), part(6, 40)), settings("header"))
    assert found.doubts == []
    assert found.told["overlap"] == found.told["overlap_before"] == pytest.approx(0.75, abs=0.05)
    assert found.told["mutual_information_after"] > 1  # of the same anatomy, without padding


def test_an_image_that_hardly_overlaps_is_doubted(move):
    """6 of 24 columns and one more, as quality is measured on copies with a border of one voxel."""
    found = move(on_one_grid(part(0, 24), part(18, 40)), settings("header"))
    assert found.doubts == ["t1: covers only 29% of the body"]


def test_an_image_that_registration_moves_away_is_doubted(move):
    fixed = moving = part(0, 40)
    masks = [np.zeros(WHOLE.shape, bool) for _ in range(2)]
    masks[0][:, :, 2], masks[1][:, :, 18] = True, True  # 16 of 40 columns apart
    way = settings("centroid", options={"centroid": {"mask": {"label": [1]}}})
    found = move(on_one_grid(fixed, moving, *(fixed.with_array(mask) for mask in masks)), way)
    assert "t1: covers only 62% of the body after registration, 100% before" in found.doubts
