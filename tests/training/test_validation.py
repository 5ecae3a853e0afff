import pytest
import torch
from lightning_fabric import Fabric

from remodal.objectives.batch import Batch
from remodal.training.validation import validation_dice


class Known:
    """Predicts what its image says, of two classes."""

    classes, modalities = 2, ("ct",)
    network = torch.nn.Identity()

    def probabilities_of(self, images, target):
        said = images[target or "ct"][:, 0].long()
        return torch.nn.functional.one_hot(said, 3).movedim(-1, 1).float()


def batch(predicted, true):
    shape = (1, 1, 1, len(true))
    image = torch.tensor(predicted, dtype=torch.float).view(1, *shape)
    label = torch.tensor(true).view(shape)
    return Batch({"ct": image}, {"ct": label}, torch.ones(1, dtype=torch.bool))


def dice(*batches):
    return validation_dice(Known(), batches, Fabric(accelerator="cpu", devices=1))


def test_voxels_of_all_batches_are_counted_together():
    # class 1: 2 common voxels of 3 predicted and 4 true; class 2: 1 of 2 and 1
    found = dice(batch([1, 1, 0, 2], [1, 1, 1, 0]), batch([1, 2, 0, 0], [0, 2, 1, 0]))
    assert found == pytest.approx([2 * 2 / 7, 2 * 1 / 3])


def test_a_class_that_is_nowhere_is_undefined():
    assert dice(batch([1, 0], [1, 0])) == [1.0, None]


def test_a_class_that_is_missed_scores_zero():
    assert dice(batch([0, 1], [2, 1])) == [1.0, 0.0]


def test_each_image_with_a_truth_of_its_own_is_measured_by_it():
    t1, t2 = batch([1, 1, 0], [1, 0, 0]), batch([0, 1, 2], [0, 1, 2])
    both = Batch(
        {"t1": t1.images["ct"], "t2": t2.images["ct"]},
        {"t1": t1.label, "t2": t2.label},
        torch.ones(1, dtype=torch.bool),
    )
    assert dice(both) == pytest.approx([2 * 2 / 5, 1.0])


def test_a_sample_without_the_label_of_an_image_does_not_count_for_it():
    t1, t2 = batch([1, 1, 0], [-1, -1, -1]), batch([0, 1, 2], [0, 1, 2])
    partly = Batch(
        {"t1": t1.images["ct"], "t2": t2.images["ct"]},
        {"t1": t1.label, "t2": t2.label},
        torch.ones(1, dtype=torch.bool),
    )
    assert dice(partly) == [1.0, 1.0]
