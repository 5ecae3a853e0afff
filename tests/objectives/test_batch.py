import pytest
import torch

from remodal.objectives.batch import UNLABELLED, Batch, Step


def test_iterations_are_counted_over_all_epochs():
    step = Step(epoch=3, iteration=7, epochs=40, iterations=150)
    assert (step.number, step.total) == (457, 6000)


def batch(**labels):
    return Batch({}, labels, torch.ones(2, dtype=torch.bool))


def test_an_image_has_its_own_label_or_the_one_that_all_share():
    t1, t2 = torch.zeros(2, 1, 2, 2, dtype=torch.long), torch.ones(2, 1, 2, 2, dtype=torch.long)
    assert batch(t2=t2).label_of("t1") is t2
    assert batch(t1=t1, t2=t2).label_of("t1") is t1
    for labels in ({}, {"t1": t1, "t2": t2}):
        with pytest.raises(ValueError):
            _ = batch(**labels).label


def test_a_sample_filled_with_what_is_no_class_has_no_label():
    label = torch.zeros(2, 1, 2, 2, dtype=torch.long)
    label[1] = UNLABELLED
    assert UNLABELLED == -1
    assert batch(mr=label).has_label_of("mr").tolist() == [True, False]
