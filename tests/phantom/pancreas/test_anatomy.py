import numpy as np
import pytest
from scipy import ndimage

from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions
from remodal.phantom.pancreas.tcia_files import simulate_image

OPTIONS = PancreasPhantomOptions(
    cases=82, matrix=96, slices=(50, 50), slice_spacing=4, noise=(0, 0)
)
NUMBERS = range(1, 5)


@pytest.fixture(scope="module")
def patients():
    """Images, pancreases and what was drawn of some patients, without noise."""
    return [simulate_image(OPTIONS, number) for number in NUMBERS]


def test_a_pancreas_has_a_real_one_s_volume_and_lies_whole_in_the_slices(patients):
    for _, label, _ in patients:
        volume = label.array.sum() * np.prod(label.geometry.spacing) / 1000
        assert 30 < volume < 125
        heights = np.flatnonzero(label.array.any(axis=(1, 2)))
        assert heights[0] > 0
        assert heights[-1] < len(label.array) - 1
        assert ndimage.label(label.array, np.ones((3, 3, 3)))[1] == 1


def test_a_pancreas_is_as_bright_as_soft_tissue_and_not_all_alike(patients):
    means = []
    for image, label, _ in patients:
        core = ndimage.binary_erosion(label.array)
        means.append(image.array[core if core.any() else label.array > 0].mean())
    assert 45 < min(means) < max(means) < 125
    assert np.ptp(means) > 5


def test_no_threshold_finds_it_in_its_surroundings(patients):
    """Bowel, stomach and vessels of the same brightness lie around it."""
    for image, label, _ in patients:
        box = ndimage.find_objects(label.array)[0]
        grown = tuple(slice(max(part.start - 4, 0), part.stop + 4) for part in box)
        hu, drawn = image.array[grown], label.array[grown] > 0
        low, high = np.percentile(hu[drawn], (10, 90))
        chosen = (hu >= low) & (hu <= high)
        dice = 2 * (chosen & drawn).sum() / (chosen.sum() + drawn.sum())
        assert dice < 0.75


def test_head_and_tail_lie_where_they_belong(patients):
    for _, label, abdomen in patients:
        z, y, x = np.nonzero(label.array)
        right, left = x < np.percentile(x, 15), x > np.percentile(x, 85)
        # The tail is farther back than the body, and the head lower than it.
        assert y[left].mean() > y[(~left) & (~right)].mean()
        assert z[right].mean() < z[~right].mean()
        assert abdomen.gland.course[0][0] < 0 < abdomen.gland.course[-1][0]


def test_pancreases_differ_in_shape(patients):
    tails = [abdomen.gland.course[-1][2] for _, _, abdomen in patients]
    widths = [abdomen.gland.half.max() for _, _, abdomen in patients]
    assert np.ptp(tails) > 10
    assert np.ptp(widths) > 2
