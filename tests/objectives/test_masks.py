import math

import pytest
import torch
from torch.autograd import grad

from remodal.objectives.masks import binary_cross_entropy, cross_entropy_and_dice, dice_loss

LOSSES = [binary_cross_entropy, dice_loss, cross_entropy_and_dice]
MASK = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
#: Of S = 3/4, 1/2, 1/4, 1/2.
LOGITS = torch.tensor([[math.log(3), 0.0, -math.log(3), 0.0]])


def test_the_losses_by_hand():
    crossed = -(math.log(3 / 4) + math.log(1 / 2) + math.log(3 / 4) + math.log(1 / 2)) / 4
    dice = -2 * (3 / 4 + 1 / 2) / (2 + 2)
    assert binary_cross_entropy(LOGITS, MASK).item() == pytest.approx(crossed)
    assert dice_loss(LOGITS, MASK).item() == pytest.approx(dice, abs=1e-5)
    assert cross_entropy_and_dice(LOGITS, MASK).item() == pytest.approx(crossed + dice, abs=1e-5)


def test_dice_is_the_mean_over_samples():
    mask, logits = torch.stack([MASK, 1 - MASK, 0 * MASK]), torch.stack([LOGITS] * 3)
    each = [dice_loss(*pair) for pair in zip(logits, mask)]
    torch.testing.assert_close(dice_loss(logits, mask), torch.stack(each).mean())


@pytest.mark.parametrize(("loss", "best"), zip(LOSSES, [0, -1, -1]))
@pytest.mark.parametrize("mask", [MASK, 0 * MASK])
def test_at_perfection_each_has_its_least_value(loss, best, mask):
    assert loss(1000 * (2 * mask - 1), mask).item() == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_gradient_points_from_the_mask(loss):
    logits = LOGITS.clone().requires_grad_()
    (slope,) = grad(loss(logits, MASK), logits)
    assert torch.equal(slope < 0, MASK == 1)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_extreme_logits_are_finite(loss, kind):
    logits = torch.tensor([[-1e4, 1e4, 1e4, -1e4]], dtype=kind, requires_grad=True)
    value = loss(logits, MASK)
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert grad(value, logits)[0].isfinite().all()


def test_the_printed_cross_entropy_is_best_where_everything_is_foreground():
    """-sum y log S: background is never wrong."""
    everything = torch.full_like(LOGITS, 1000)
    true = 1000 * (2 * MASK - 1)
    printed = [-(MASK * torch.nn.functional.logsigmoid(x)).sum() for x in (everything, true)]
    assert printed[0] == printed[1] == 0
    assert binary_cross_entropy(everything, MASK) > binary_cross_entropy(true, MASK)


def test_the_printed_dice_is_worst_at_perfection():
    """-2 sum(y S) / (sum y sum S): of a mask of n voxels, -2 / n, whatever part of it is found."""
    n = 20_000
    mask = torch.ones(n, dtype=torch.float64)
    half = (torch.arange(n) < n / 2).double()
    printed = [-2 * (mask * s).sum() / (mask.sum() * s.sum()) for s in (mask, half)]
    assert printed[0].item() == printed[1].item() == pytest.approx(-1e-4)
    found = [dice_loss(1000 * (2 * s - 1)[None], mask[None]).item() for s in (mask, half)]
    assert found == pytest.approx([-1, -2 / 3])
