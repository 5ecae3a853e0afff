import pytest
import torch
from monai.losses import DiceLoss

from remodal.objectives.squared_dice import cross_entropy_and_dice, squared_dice_loss


def test_the_loss_by_hand():
    p, y = torch.tensor([0.5, 1.0, 0.2]), torch.tensor([1, 1, 0])
    expected = 1 - (2 * 1.5 + 1e-5) / (0.25 + 1 + 0.04 + 2 + 1e-5)
    assert squared_dice_loss(p, y).item() == pytest.approx(expected)


def test_one_dice_of_the_whole_batch_as_monai_computes_it():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(2, 1, 4, 5, 6, generator=generator)
    y = torch.rand(2, 1, 4, 5, 6, generator=generator) > 0.7
    peer = DiceLoss(squared_pred=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    torch.testing.assert_close(squared_dice_loss(p, y), peer(p, y.float()))


def test_nothing_found_where_nothing_is_costs_nothing():
    assert squared_dice_loss(torch.zeros(8), torch.zeros(8)) == 0


def test_half_cross_entropy_and_half_dice():
    logits = torch.tensor([[[0.0], [1.0]], [[2.0], [0.0]]])[..., None, None]  # two voxels
    label = torch.tensor([[[[1]]], [[[0]]]])
    p = torch.softmax(logits, 1)[:, :, 0, 0, 0]
    entropy = -(p[0, 1].log() + p[1, 0].log()) / 2
    dice = 1 - (2 * p[0, 1] + 1e-5) / (p[0, 1] ** 2 + p[1, 1] ** 2 + 1 + 1e-5)
    torch.testing.assert_close(cross_entropy_and_dice(logits, label), 0.5 * (entropy + dice))


def test_a_batch_without_labels_costs_nothing_and_has_a_gradient():
    logits = torch.zeros(0, 2, 4, 4, 4, requires_grad=True)
    loss = cross_entropy_and_dice(logits, torch.zeros(0, 4, 4, 4, dtype=torch.int64))
    loss.backward()
    assert loss == 0
