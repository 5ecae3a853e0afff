import math

import pytest
import torch
from monai.losses import DiceCELoss

from remodal.objectives.segmentation import log_probabilities, segmentation_loss, soft_dice


def voxels(values):
    """(B, Z, Y, X) of a (B, X) list."""
    return torch.tensor(values)[:, None, None]


def test_dice_by_hand():
    label = voxels([[0, 1, 1, 0]])
    foreground = voxels([[0.5, 1.0, 0.5, 0.0]])
    p = torch.stack([1 - foreground, foreground], 1)
    # TP = 1 + 0.5; 2 TP + FP + FN = (0.5 + 1 + 0.5) + 2
    assert soft_dice(p, label).item() == pytest.approx((2 * 1.5 + 1e-5) / (4 + 1e-5))


def test_dice_of_samples_is_averaged_and_dice_of_a_batch_is_pooled():
    label = voxels([[1, 1], [1, 0]])
    foreground = voxels([[1.0, 1.0], [0.0, 0.5]])
    p = torch.stack([1 - foreground, foreground], 1)
    assert soft_dice(p, label, "sample").item() == pytest.approx((1.0 + 0.0) / 2, abs=1e-4)
    assert soft_dice(p, label, "batch").item() == pytest.approx(2 * 2 / (2.5 + 3), abs=1e-4)


def test_the_loss_by_hand():
    label = voxels([[0, 1]])
    foreground = voxels([[0.25, 0.75]])
    log_p = torch.stack([1 - foreground, foreground], 1).log()
    dice = 2 * 0.75 / (1.0 + 1.0)
    assert segmentation_loss(log_p, label).item() == pytest.approx(-math.log(0.75) - dice, abs=1e-5)


@pytest.mark.parametrize("dice_over", ["sample", "batch"])
@pytest.mark.parametrize("classes", [1, 3])
def test_the_loss_is_monais_less_its_constant(dice_over, classes):
    torch.manual_seed(0)
    logits = 3 * torch.randn(2, classes + 1, 4, 6, 5)
    label = torch.randint(0, classes + 1, (2, 4, 6, 5))
    label[0][label[0] == classes] = 0  # a class that one sample lacks
    peer = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=dice_over == "batch",
        smooth_nr=1e-5,
        smooth_dr=1e-5 + 1e-8,
    )
    inputs = [logits.clone().requires_grad_() for _ in range(2)]
    ours = segmentation_loss(log_probabilities(inputs[0]), label, dice_over)
    theirs = peer(inputs[1], label[:, None]) - 1
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs[0]), torch.autograd.grad(theirs, inputs[1])
    )


def test_the_least_loss_is_minus_one():
    label = torch.randint(0, 3, (2, 4, 6, 6), generator=torch.Generator().manual_seed(0))
    logits = 200.0 * torch.nn.functional.one_hot(label, 3).movedim(-1, 1)
    assert segmentation_loss(log_probabilities(logits), label).item() == pytest.approx(-1, abs=1e-5)


def test_a_label_without_foreground_gives_a_finite_loss_and_gradient():
    logits = torch.tensor([[80.0], [-80.0]]).expand(2, 64).reshape(1, 2, 4, 4, 4).requires_grad_()
    loss = segmentation_loss(log_probabilities(logits), torch.zeros(1, 4, 4, 4, dtype=torch.long))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_summed_in_float32(dtype):
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 8, 64, 64)
    label = torch.randint(0, 2, (1, 8, 64, 64))
    rounded = logits.to(dtype)
    loss = segmentation_loss(log_probabilities(rounded), label)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, segmentation_loss(log_probabilities(rounded.float()), label))


def test_autocast_does_not_lower_the_precision():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 8, 16, 16)
    label = torch.randint(0, 3, (1, 8, 16, 16))
    expected = segmentation_loss(log_probabilities(logits), label)
    with torch.autocast("cpu", torch.bfloat16):
        loss = segmentation_loss(log_probabilities(logits), label)
    torch.testing.assert_close(loss, expected)
