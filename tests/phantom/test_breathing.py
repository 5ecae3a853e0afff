import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from remodal.phantom.breathing import (
    Displacement,
    TrunkFrame,
    draw_breathing,
    linear_sample,
    write_displacement,
)
from remodal.phantom.placement import draw_placement

AXES = np.arange(-120.0, 120, 8), np.arange(-90.0, 90, 8), np.arange(-150.0, 50, 8)
FRAME = TrunkFrame((0.0, -5.0), 110.0, 80.0, (0.0, 50.0), 0.0)


def _liver() -> np.ndarray:
    x, y, z = AXES
    ball = (x[None, None] + 50) ** 2 + y[None, :, None] ** 2 + (z[:, None, None] + 60) ** 2
    return (ball < 45**2).astype(np.float32)


def _breathing(shift: float = 12.0, seed: int = 0) -> Displacement:
    return draw_breathing(FRAME, AXES, _liver(), shift, np.random.default_rng(seed))


@given(st.integers(0, 1000))
@hypothesis_settings(max_examples=25, deadline=None)
def test_sampling_is_trilinear_and_constant_outside(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, *rng.integers(1, 6, 3))).astype(np.float32)
    places = rng.uniform(-2, 7, (3, 30))
    expected = [map_coordinates(part, places, order=1, mode="nearest") for part in image]
    np.testing.assert_allclose(linear_sample(image, *places), expected, atol=1e-5)


def test_the_way_there_and_back_ends_where_it_began():
    there = _breathing()
    back = there.inverse()
    rng = np.random.default_rng(1)
    for _ in range(50):
        x = rng.uniform([-100, -70, -130], [100, 70, 30])
        y = x + there.on(x[:1], x[1:2], x[2:]).ravel()
        again = y + back.on(y[:1], y[1:2], y[2:]).ravel()
        np.testing.assert_allclose(again, x, atol=0.3)


def test_the_liver_moves_by_the_shift_and_the_spine_stays():
    moved = _breathing(shift=10.0)
    liver = _liver() > 0
    vectors = moved.on(*AXES)
    lying = moved.vectors[2, 0, 0, 0]
    assert vectors[2][liver].mean() - lying == pytest.approx(10, abs=1.5)
    spine = moved.on(np.array([0.0]), np.array([50.0]), np.array([-60.0])).ravel()
    np.testing.assert_allclose(spine, moved.vectors[:, 0, 0, 0], atol=0.5)


@pytest.mark.parametrize("shift", [-14.0, 14.0])
def test_breathing_folds_nothing(shift):
    for seed in range(5):
        moved = _breathing(shift, seed)
        step = moved.x[1] - moved.x[0]
        image = sitk.GetImageFromArray(np.moveaxis(moved.vectors, 0, -1), isVector=True)
        image.SetSpacing([step] * 3)
        image = sitk.Cast(image, sitk.sitkVectorFloat64)
        jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(image))
        assert jacobian.min() > 0.3


@pytest.mark.parametrize("askew", [False, True])
def test_a_written_displacement_is_a_transform_for_simpleitk(tmp_path, askew):
    moved, placement = _breathing(), draw_placement(askew, np.random.default_rng(0))
    write_displacement(tmp_path / "u.mha", moved, placement)
    image = sitk.ReadImage(str(tmp_path / "u.mha"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(image)
    for x in np.random.default_rng(3).uniform([-100, -70, -130], [100, 70, 30], (20, 3)):
        expected = placement.points(x + moved.on(x[:1], x[1:2], x[2:]).ravel())
        found = transform.TransformPoint(placement.points(x))
        np.testing.assert_allclose(found, expected, atol=1e-3)
