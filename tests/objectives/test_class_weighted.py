from math import log

import pytest
import torch

from remodal.objectives.class_weighted import class_weighted_loss
from remodal.objectives.distillation import one_hot


def test_the_loss_by_hand():
    """Three voxels of background, one of class 1: weights 1/4 and 3/4."""
    label = torch.tensor([0, 0, 0, 1]).view(1, 1, 1, 4)
    foreground = torch.tensor([0.1, 0.2, 0.5, 0.6])
    entropy = -(log(0.9) / 4 + log(0.8) / 4 + log(0.5) / 4 + 3 * log(0.6) / 4) / 4
    dice = (2 * 2.2 / (2.6 + 3) + 2 * 0.6 / (1.4 + 1)) / 2
    p = torch.stack([1 - foreground, foreground]).view(1, 2, 1, 1, 4)
    assert class_weighted_loss(p, label).item() == pytest.approx(entropy + 1 - dice, abs=1e-5)


def test_weights_are_of_each_sample_and_dice_of_the_batch():
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 4, 4, 4), generator=generator)
    p = torch.rand(2, 3, 4, 4, 4, generator=generator).softmax(1)
    hot = one_hot(label, 3)
    weights = (1 - hot.mean((2, 3, 4)))[:, :, None, None, None]
    entropy = -(weights * hot * p.log()).sum(1).mean()
    dice = [2 * (p[:, c] * hot[:, c]).sum() / (p[:, c] + hot[:, c]).sum() for c in range(3)]
    torch.testing.assert_close(class_weighted_loss(p, label), entropy + 1 - sum(dice) / 3)


def test_a_hopeless_voxel_leaves_no_gradient_by_its_logarithm():
    label = torch.tensor([0, 1]).view(1, 1, 1, 2)
    hopeless = torch.tensor([[1.0, 0.999], [0.0, 0.001]]).view(1, 2, 1, 1, 2).requires_grad_()
    loss = class_weighted_loss(hopeless, label)
    # As if the probability were 0.005, but for Dice; both classes weigh 1/2.
    dice = (2 * 1 / (1.999 + 1) + 2 * 0.001 / (0.001 + 1)) / 2
    assert loss.item() == pytest.approx(-0.5 * log(0.005) / 2 + 1 - dice, abs=1e-5)
    (gradient,) = torch.autograd.grad(loss, hopeless)
    assert gradient.abs().max() < 1.1  # of Dice; 1 / 0.001 times the weight otherwise
