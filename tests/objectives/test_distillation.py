from math import log

import pytest
import torch
import torch.nn.functional as F

from remodal.objectives.distillation import (
    feature_divergence,
    one_hot,
    soft_target_loss,
    softened,
)


def test_a_temperature_softens():
    logits = torch.tensor([0.0, 5 * log(3)]).view(1, 2, 1, 1, 1)
    torch.testing.assert_close(softened(logits, 5).flatten(), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(softened(logits, 1), logits.softmax(1))


def test_the_loss_of_soft_targets_by_hand():
    """Two voxels, foreground p = (0.8, 0.4), q = (1, 0.5): Dice 2 * 1.0 / (1.2 + 1.5)."""
    p, q = torch.tensor([0.8, 0.4]), torch.tensor([1.0, 0.5])
    entropy = -(log(0.8) + 0.5 * log(0.4) + 0.5 * log(0.6)) / 2
    found = soft_target_loss(*(torch.stack([1 - f, f]).view(1, 2, 1, 1, 2) for f in (p, q)))
    assert found.item() == pytest.approx(1 - 2 / 2.7 + entropy, abs=1e-4)


def test_the_entropy_is_that_of_torch():
    p, q = torch.rand(2, 2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).softmax(2)
    dice = [
        (2 * (a * b).sum() + 1e-5) / (a.sum() + b.sum() + 1e-5)
        for a, b in zip(p[:, 1:].flatten(0, 1), q[:, 1:].flatten(0, 1))
    ]
    expected = 1 - sum(dice) / 4 + F.binary_cross_entropy(p, q)
    torch.testing.assert_close(soft_target_loss(p, q), expected)


def test_a_label_that_is_met_costs_nothing():
    label = torch.randint(0, 3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    label[0][label[0] == 2] = 0  # a class that one sample lacks
    hot = one_hot(label, 3)
    assert torch.equal(hot.argmax(1), label)
    assert soft_target_loss(hot, hot).item() == pytest.approx(0, abs=1e-4)
    worst = soft_target_loss(hot.roll(1, dims=1).requires_grad_(), hot)
    worst.backward()
    assert worst.isfinite()
    assert worst > 1


def test_the_divergence_of_features_is_that_of_torch():
    student, teacher = torch.randn(2, 2, 5, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="none").mean()
    torch.testing.assert_close(feature_divergence(student, teacher), expected)
    assert feature_divergence(teacher + 3, teacher).item() == pytest.approx(0, abs=1e-6)
