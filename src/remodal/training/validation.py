"""The validation curve: Dice on fixed patches of validation cases."""

from collections.abc import Iterable

import torch
from lightning_fabric import Fabric

from remodal.methods.base import Method
from remodal.objectives.batch import UNLABELLED, Batch


@torch.no_grad()
def validation_dice(method: Method, batches: Iterable[Batch], fabric: Fabric) -> list[float | None]:
    """Dice of each class over all voxels of all batches together (nnU-Net's online evaluation).

    The method predicts from all of its modalities, for each image that has a label of its own;
    samples without that label do not count. The Dice is undefined (None) for a class that is
    neither in the labels nor predicted.
    """
    counts = torch.zeros((method.classes, 2), dtype=torch.int64, device=fabric.device)
    method.network.eval()
    for batch in batches:
        for image, label in batch.labels.items():
            target = image if len(batch.labels) > 1 else ""
            with fabric.autocast():
                probabilities = method.probabilities_of(batch.images, target)
            predicted = probabilities.argmax(1).where(label != UNLABELLED, 0)
            for index in range(method.classes):
                mine, true = predicted == index + 1, label == index + 1
                counts[index] += torch.stack([(mine & true).sum(), mine.sum() + true.sum()])
    method.network.train()
    overlap, size = fabric.all_reduce(counts, reduce_op="sum").cpu().unbind(1)
    return [2 * o / s if s else None for o, s in zip(overlap.tolist(), size.tolist())]
