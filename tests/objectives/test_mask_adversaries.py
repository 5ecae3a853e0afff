"""Losses that another network makes, against hand calculations and against the printed signs."""

import math

import pytest
import torch
from torch.autograd import grad
from torch.nn.functional import softplus

from remodal.objectives.mask_adversaries import (
    bets,
    embedding_losses,
    gambled,
    gambling_losses,
    gan_losses,
)

#: Two voxels along x: the first is segmented well (S = 9/10 where y = 1), the second badly (3/4
#: where y = 0).
LOGITS = torch.tensor([math.log(9), math.log(3)]).view(1, 1, 1, 1, 2)
MASK = torch.tensor([1.0, 0.0]).view(1, 1, 1, 1, 2)
CROSSED = torch.tensor([-math.log(0.9), -math.log(0.25)]).view(1, 1, 1, 1, 2)
IMAGE = torch.zeros_like(MASK)


class Judge:
    """The sum over a mask is its only feature; log-odds are twice that."""

    def features(self, map):
        return map.sum(dim=(1, 2, 3, 4))[:, None]

    def judged(self, features):
        return 2 * features

    def __call__(self, map):
        return self.judged(self.features(map))


def test_the_gan_by_hand():
    """D(S) = sigmoid(2 (0.9 + 0.75)), D(y) = sigmoid(2)."""
    seen, true = torch.tensor(2 * 1.65), torch.tensor(2.0)
    fooled, told = gan_losses(Judge(), LOGITS, MASK)
    torch.testing.assert_close(fooled, softplus(-seen))
    torch.testing.assert_close(told, softplus(-true) + softplus(seen))


def test_the_embedding_by_hand():
    distance, told = embedding_losses(Judge(), LOGITS, MASK)
    torch.testing.assert_close(distance, torch.tensor((1.65 - 1) ** 2))
    torch.testing.assert_close(told, gan_losses(Judge(), LOGITS, MASK)[1])


def test_a_perfect_prediction_has_the_features_of_the_mask():
    logits = (1000 * (2 * MASK - 1)).requires_grad_()
    distance, _ = embedding_losses(Judge(), logits, MASK)
    assert distance == 0


def test_gambling_by_hand():
    """Bets of sigmoid(0) + 0.02 and sigmoid(ln 3) + 0.02 of their sum."""
    placed = torch.tensor([0.52, 0.77]).view_as(MASK)
    placed = placed / placed.sum()
    logits = torch.tensor([0.0, math.log(3)]).view_as(MASK)
    torch.testing.assert_close(bets(logits, 0.02), placed)
    shown = []
    lost, won = gambling_losses(lambda x: shown.append(x) or logits, IMAGE, LOGITS, MASK, 0.02)
    expected = (placed * CROSSED).sum()
    torch.testing.assert_close(lost, expected)
    torch.testing.assert_close(won, -expected)
    torch.testing.assert_close(shown[0], torch.cat([IMAGE, LOGITS.sigmoid()], dim=1))


def test_the_bets_of_every_sample_sum_to_one():
    torch.manual_seed(0)
    placed = bets(torch.randn(3, 1, 4, 5, 6), 0.02)
    torch.testing.assert_close(placed.sum(dim=(1, 2, 3, 4)), torch.ones(3))
    assert placed.min() >= 0.02 / (1.02 * 120) * 0.99
    crossed = torch.rand(3, 1, 4, 5, 6)
    each = [gambled(*pair) for pair in zip(placed.split(1), crossed.split(1))]
    torch.testing.assert_close(gambled(placed, crossed), torch.stack(each).mean())


def test_even_bets_are_the_mean_cross_entropy():
    torch.testing.assert_close(gambled(bets(torch.zeros_like(MASK), 0.02), CROSSED), CROSSED.mean())


def test_at_perfection_nothing_is_won():
    logits = 1000 * (2 * MASK - 1)
    lost, won = gambling_losses(lambda x: x[:, :1], IMAGE, logits, MASK, 0.02)
    assert lost == won == 0


def gambler_slope(of):
    """By how much a loss of the bets' logits, all equal at first, grows with each of them."""
    logits = torch.zeros_like(MASK, requires_grad=True)
    return grad(of(bets(logits, 0.02)), logits)[0].flatten().tolist()


def test_the_gambler_bets_on_the_hard_voxel_and_by_the_printed_sign_on_the_easy_one():
    easy, hard = gambler_slope(lambda placed: -gambled(placed, CROSSED))
    assert hard < 0 < easy  # descent raises the bet on the hard voxel
    log_s = -CROSSED  # y log S of the printed formula, as a cross-entropy
    easy, hard = gambler_slope(lambda placed: -gambled(placed, log_s))
    assert easy < 0 < hard


def test_the_segmentor_loses_what_is_won_and_by_the_printed_sign_is_rewarded_for_errors():
    """With all bets on one voxel, which is wrong."""
    logits = LOGITS.clone().requires_grad_()
    fixed = torch.tensor([-1000.0, 1000.0]).view_as(MASK)
    lost, _ = gambling_losses(lambda _: fixed, IMAGE, logits, MASK, 1e-6)
    slope = grad(lost, logits)[0].flatten()[1]
    assert slope > 0  # descent lowers the probability where the mask is empty
    crossed = torch.nn.functional.binary_cross_entropy_with_logits(logits, MASK, reduction="none")
    printed = crossed.mean() - gambled(bets(fixed, 1e-6), crossed)  # BCE - L_G
    assert grad(printed, logits)[0].flatten()[1] < 0


def test_the_segmentor_s_gradient_passes_through_the_bets_and_the_gambler_s_does_not_reach_it():
    logits = LOGITS.clone().requires_grad_()
    slope = torch.ones((), requires_grad=True)

    def gambler(shown):
        return slope * shown[:, 1:]

    lost, won = gambling_losses(gambler, IMAGE, logits, MASK, 0.02)
    placed = bets(gambler(torch.cat([IMAGE, logits.sigmoid()], dim=1)), 0.02)
    crossed = torch.nn.functional.binary_cross_entropy_with_logits(logits, MASK, reduction="none")
    through = grad((placed * crossed.detach()).sum(), logits, retain_graph=True)[0]
    beside = grad((placed.detach() * crossed).sum(), logits, retain_graph=True)[0]
    assert through.abs().min() > 0
    torch.testing.assert_close(grad(lost, logits, retain_graph=True)[0], through + beside)
    expected = -grad((placed * crossed.detach()).sum(), slope, retain_graph=True)[0]
    torch.testing.assert_close(grad(won, slope)[0], expected)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_extreme_logits_are_finite(kind):
    logits = torch.tensor([-1e4, 1e4], dtype=kind).view_as(MASK).requires_grad_()

    def gambler(shown):
        return (1e4 * (2 * shown[:, 1:] - 1)).to(kind)

    pairs = [
        gan_losses(Judge(), logits, MASK),
        embedding_losses(Judge(), logits, MASK),
        gambling_losses(gambler, IMAGE, logits, MASK, 0.02),
    ]
    for loss in (each for pair in pairs for each in pair):
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        if loss.requires_grad:
            slope = grad(loss, logits, retain_graph=True, allow_unused=True)[0]
            assert slope is None or slope.isfinite().all()
