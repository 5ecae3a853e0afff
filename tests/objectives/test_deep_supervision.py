import pytest
import torch
import torch.nn.functional as F

from remodal.objectives.deep_supervision import (
    deeply_supervised_loss,
    label_at,
    level_weights,
)
from remodal.objectives.segmentation import log_probabilities, segmentation_loss


def test_weights_are_those_of_nnunet_without_the_lowest_level():
    assert level_weights(5) == pytest.approx([0.5333, 0.2667, 0.1333, 0.0667], abs=5e-5)
    assert level_weights(3) == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("levels", [1, 2])
def test_full_resolution_is_always_trained(levels):
    assert level_weights(levels) == [1.0]


@pytest.mark.parametrize("shape", [(8, 12, 12), (8, 6, 6), (4, 3, 3), (2, 4, 12)])
def test_labels_are_sampled_where_nearest_exact_does(shape):
    label = torch.randint(0, 5, (2, 8, 12, 12), generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(label[:, None].float(), shape, mode="nearest-exact")[:, 0].long()
    assert torch.equal(label_at(label, shape), expected)


def test_labels_of_a_coarse_grid_are_a_view():
    label = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    coarse = label_at(label, (4, 4, 4))
    label.fill_(1)
    assert coarse.all()


def test_the_loss_is_the_weighted_sum_over_levels():
    torch.manual_seed(0)
    label = torch.randint(0, 2, (2, 4, 8, 8))
    full = log_probabilities(torch.randn(2, 2, 4, 8, 8))
    half = log_probabilities(torch.randn(2, 2, 4, 4, 4))
    expected = 0.75 * segmentation_loss(full, label) + 0.25 * segmentation_loss(
        half, label[:, :, 1::2, 1::2]
    )
    torch.testing.assert_close(deeply_supervised_loss([full, half], label, [0.75, 0.25]), expected)


def test_a_level_without_a_weight_is_an_error():
    log_p = log_probabilities(torch.randn(1, 2, 4, 8, 8))
    with pytest.raises(ValueError):
        deeply_supervised_loss([log_p], torch.zeros(1, 4, 8, 8, dtype=torch.long), [0.5, 0.5])
