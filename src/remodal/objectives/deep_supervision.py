"""The same loss at several resolutions of a decoder.

Source: MIC-DKFZ/nnUNet v1, nnUNetTrainerV2.py and deep_supervision.py.
"""

from collections.abc import Sequence

from torch import Tensor

from remodal.objectives.segmentation import DiceOver, segmentation_loss


def level_weights(levels: int) -> list[float]:
    """Weights of a decoder's levels: 1, 1/2, 1/4, ... normalised to sum 1, full resolution first.

    The lowest resolution has weight 0 in nnU-Net; it is left out here, so that nothing is computed
    for it. A decoder of one level keeps that level.

    Args:
        levels: number of the decoder's levels (down-samplings of the network).
    """
    weights = [0.5**level for level in range(max(levels - 1, 1))]
    return [weight / sum(weights) for weight in weights]


def label_at(label: Tensor, shape: Sequence[int]) -> Tensor:
    """The label (B, Z, Y, X) on a coarser grid (z, y, x), by nearest neighbour, as a view.

    Of the f voxels that a coarse one covers along an axis, the one at f // 2 is taken. That is the
    one that nearest-neighbour sampling at the coarse voxel's centre picks, both in nnU-Net v1
    (scikit-image, order 0) and in v2 (`nearest-exact`).
    """
    z, y, x = (fine // coarse for fine, coarse in zip(label.shape[1:], shape))
    return label[:, z // 2 :: z, y // 2 :: y, x // 2 :: x]


def deeply_supervised_loss(
    log_p: Sequence[Tensor], label: Tensor, weights: Sequence[float], dice_over: DiceOver = "sample"
) -> Tensor:
    """Weighted sum of the segmentation losses of all levels.

    Args:
        log_p: log-probabilities (B, C, z, y, x) of each level, full resolution first.
        label: class indices (B, Z, Y, X), int64.
        weights: one per level.
        dice_over: see `segmentation_loss`.
    """
    return sum(
        weight * segmentation_loss(level, label_at(label, level.shape[2:]), dice_over)
        for level, weight in zip(log_p, weights, strict=True)
    )
