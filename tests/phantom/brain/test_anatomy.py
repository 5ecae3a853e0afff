from dataclasses import replace

import numpy as np
import pytest

from remodal.phantom.brain.anatomy import draw_head, paint_brain
from remodal.phantom.brain.mass_effect import push_aside
from remodal.phantom.brain.tissues import GROWTH, SEQUENCES, TISSUES, draw_brightness

MIDDLE = (119.5, -119.5, 70.0)
AXES = (np.arange(40.0, 200, 3), np.arange(-220.0, -20, 3), np.arange(0.0, 156, 3))


def paint(seed: int):
    head = draw_head(MIDDLE, np.random.default_rng(seed))
    return head, paint_brain(head, AXES)


@pytest.fixture(scope="module")
def brain():
    return paint(0)[1]


def share(brain, tissue):
    return brain.shares[TISSUES.index(tissue)]


def test_every_voxel_of_the_brain_is_shared_out(brain):
    inside = brain.surface < 0
    np.testing.assert_allclose(brain.shares.sum(axis=0)[inside], 1, atol=1e-4)
    assert not brain.shares[:, ~inside].any()


def test_tissues_have_about_their_shares_of_a_brain(brain):
    inside = np.count_nonzero(brain.surface < 0)
    parts = {tissue: share(brain, tissue).sum() / inside for tissue in TISSUES}
    assert 0.3 < parts["white"] < 0.55
    assert 0.3 < parts["grey"] + parts["nuclei"] < 0.55
    assert 0.05 < parts["fluid"] < 0.3
    assert 0.01 < parts["nuclei"] < 0.06
    assert parts["vessel"] < 0.01


def test_cortex_covers_white_matter(brain):
    shell = (brain.cerebrum < -1) & (brain.cerebrum > -3) & (brain.standard[2] > 10)
    assert share(brain, "white")[shell].mean() < 0.12
    assert share(brain, "grey")[shell].mean() > 0.45


def test_the_cortex_is_folded(brain):
    """It lies at depths where a smooth one would not be."""
    deep = (brain.cerebrum < -8) & (brain.cerebrum > -14) & (brain.standard[2] > 30)
    assert 0.2 < share(brain, "grey")[deep].mean() < 0.7


def test_a_hemisphere_is_about_as_large_as_the_other(brain):
    left, right = (
        np.count_nonzero((brain.surface < 0) & (brain.standard[0] * side > 0)) for side in (1, -1)
    )
    assert left == pytest.approx(right, rel=0.05)


def test_patients_differ_in_shape_and_in_the_width_of_ventricles():
    fluid, cut = [], []
    for seed in range(6):
        head, brain = paint(seed)
        x, y, z = brain.standard
        middle = (np.abs(x) < 30) & (np.abs(y) < 50) & (z > 0) & (z < 28)
        fluid.append(share(brain, "fluid")[middle].sum() / np.count_nonzero(middle))
        cut.append(brain.surface < 0)
        assert 0.5 <= head.ventricles <= 1.7
    assert max(fluid) > 1.3 * min(fluid)
    assert not any(np.array_equal(cut[0], other) for other in cut[1:])


def test_tissues_are_as_bright_as_textbooks_say():
    rng = np.random.default_rng(0)
    for _ in range(20):
        t1, t1ce, t2, flair = (draw_brightness(rng)[name] for name in SEQUENCES)
        assert t1["white"] > t1["grey"] > t1["fluid"]
        assert t2["fluid"] > t2["grey"] > t2["white"]
        assert flair["oedema"] > flair["grey"] > flair["white"] > flair["fluid"]
        assert t1ce["enhancing"] > 1.2 * t1ce["white"]
        assert t1["white"] > t1["nuclei"] > t1["grey"]


def test_only_what_takes_up_the_agent_differs_between_t1_and_t1ce():
    brightness = draw_brightness(np.random.default_rng(1))
    for tissue in (*TISSUES, *GROWTH):
        ratio = brightness["t1ce"][tissue] / brightness["t1"][tissue]
        assert (ratio > 2) == (tissue in ("vessel", "enhancing"))
        assert ratio > 2 or 0.95 < ratio < 1.1


def test_a_tumour_pushes_tissue_away_and_leaves_the_surface(brain):
    marker = np.zeros_like(brain.surface)
    centre = np.array([150.0, -110.0, 90.0])
    z, y, x = (
        int(np.argmin(np.abs(axis - place))) for axis, place in zip(AXES[::-1], centre[::-1])
    )
    marker[z, y, x - 6 : x - 4] = 1  # 15 mm towards the middle
    shares = brain.shares.copy()
    shares[0] = marker
    moved = push_aside(replace(brain, shares=shares), centre, 12.0, 6.0)
    columns = np.arange(len(AXES[0]))

    def place(image):
        row = image[z, y]
        return (row * columns).sum() / row.sum() * 3

    assert 3 < place(marker) - place(moved.shares[0]) < 7
    rim = (brain.surface > -1) & (brain.surface < 0)
    np.testing.assert_allclose(moved.shares[:, rim], shares[:, rim], atol=0.02)


def test_without_a_push_nothing_moves(brain):
    assert push_aside(brain, np.array([150.0, -110.0, 90.0]), 12.0, 0.0) is brain
