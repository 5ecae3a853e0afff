"""Cross-entropy weighted by class, plus soft Dice over all classes and the background.

Source: dyh127/RFNet and YaoZhang93/mmFormer, utils/criterions.py. The loss takes probabilities,
since those of coarse levels are resized before they are compared with the label.
"""

import torch
from torch import Tensor

#: Smallest probability of which a logarithm is taken.
LEAST = 0.005
EPSILON = 1e-7


def class_weighted_loss(p: Tensor, label: Tensor) -> Tensor:
    """Weighted cross-entropy + 1 - soft Dice; 0 at best.

    A voxel weighs 1 minus its class's share of the sample's voxels. Probabilities below 0.005 count
    as that and leave no gradient. Dice is the mean over the background and all classes of
    2 sum(p y) / (sum p + sum y + 1e-7), the sums running over the whole batch.

    Args:
        p: probabilities (B, C, Z, Y, X), background first.
        label: class indices (B, Z, Y, X), int64.
    """
    p = p.float()
    of_class = torch.stack([label == index for index in range(p.shape[1])], dim=1)
    weights = 1 - of_class.float().mean((2, 3, 4))
    of_label = p.gather(1, label[:, None]).clamp(LEAST, 1)[:, 0]
    weight = weights.gather(1, label.flatten(1)).view_as(of_label)
    axes = (0, 2, 3, 4)
    both, sizes = (p * of_class).sum(axes), p.sum(axes) + of_class.sum(axes)
    return -(weight * of_label.log()).mean() + 1 - (2 * both / (sizes + EPSILON)).mean()
