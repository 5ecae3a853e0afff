"""The level set beside the repository's way, by SciPy's distances and scikit-image's contour."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries

from remodal.objectives import distance_transform, level_set
from remodal.objectives.level_set import foreground_of, level_sets


def reference(mask):
    """A transcription of its definition: each side over its largest distance, the contour 0."""
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    level = outside / outside.max() - inside / inside.max()
    level[find_boundaries(mask, mode="inner")] = 0
    return level.astype(np.float32)


def ball(radius, size=96):
    axes = torch.arange(size).float() - size // 2
    return (axes[:, None, None] ** 2 + axes[:, None] ** 2 + axes**2) <= radius**2


def some_masks():
    """A ball, one cut by the border, scattered voxels, a plane, all but one voxel."""
    generator = torch.Generator().manual_seed(0)
    plane, holed = torch.zeros(2, 20, 20, 20, dtype=torch.bool)
    plane[:, 4] = True
    holed[:] = True
    holed[0, 7, 3] = False
    cut = ball(9, 40)[16:36, :20, 10:30]
    scattered = torch.rand(20, 20, 20, generator=generator) > 0.9
    return torch.stack([ball(6, 20), cut, scattered, plane, holed])


@pytest.mark.parametrize("way", ["maurer", "lines"])
def test_every_value_is_the_reference_s_to_the_bit(monkeypatch, way):
    if way == "lines":
        monkeypatch.setattr(level_set, "squared_distance", distance_transform.by_lines)
    masks = some_masks()
    expected = np.stack([reference(mask.numpy()) for mask in masks])
    found = level_sets(masks, "repo_zero")
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), expected)


def test_the_first_steps_from_the_contour_of_a_ball():
    """Radius 12 in 96^3: inside and outside have slopes of their own."""
    level = level_sets(ball(12)[None], "repo_zero")[0]
    assert level[48, 48, 59].item() == pytest.approx(-0.118, abs=1e-3)
    assert level[48, 48, 60] == 0
    assert level[48, 48, 61].item() == pytest.approx(0.014, abs=1e-4)
    assert level.min() == -1
    assert level.max() == 1


@pytest.mark.parametrize(("empty", "value"), [("repo_zero", 0.0), ("plus_one", 1.0)])
def test_a_sample_without_foreground_is_what_the_option_says(empty, value):
    masks = torch.stack([torch.zeros(4, 5, 6), torch.ones(4, 5, 6)]).bool()
    none, all_of_it = level_sets(masks, empty)
    assert (none == value).all()
    assert (all_of_it == -1).all()


def test_no_sample_gives_none():
    assert level_sets(torch.zeros(0, 4, 5, 6, dtype=torch.bool), "repo_zero").shape == (0, 4, 5, 6)


def dice(found, truth):
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


@pytest.mark.parametrize(("radius", "above_half"), [(6, 0.774), (24, 0.947)])
def test_the_contour_is_at_one_half_and_belongs_to_the_foreground(radius, above_half):
    truth = ball(radius - 1e-3)
    p = foreground_of(level_sets(truth[None], "repo_zero")[0], -1500)
    assert dice(p > 0.5, truth) == pytest.approx(above_half, abs=2e-3)
    assert dice(p >= 0.5, truth) == 1


@pytest.mark.parametrize("radius", [6, 12, 24])
def test_the_inverse_needs_a_negative_factor(radius):
    """With it, a perfect solution is consistent but for its contour; with +1500 hardly anywhere."""
    truth = ball(radius - 1e-3)
    level = level_sets(truth[None], "repo_zero")[0]
    apart = [(foreground_of(level, k) - truth.float()).square().mean() for k in (-1500, 1500)]
    assert 0.9e-4 < apart[0] < 0.0017
    assert 0.995 <= apart[1] < 0.9998
