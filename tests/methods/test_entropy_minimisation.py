from math import log

import torch

from remodal.objectives.batch import Step
from remodal.objectives.ramp_up import ramp_up

from .conftest import half_labelled


def test_the_entropy_is_that_of_all_samples_and_only_the_labelled_are_supervised(build, make_batch):
    method, batch = build("entropy_minimisation", dropout=0.0), half_labelled(make_batch())
    step = Step(epoch=0, iteration=40, epochs=1, iterations=100)
    losses = method.objective(batch, step)
    (logits,) = method.network(method.image(batch.images))
    p = logits.softmax(1)
    entropy = (-(p * torch.log(p + 1e-6)).sum(1) / log(2)).mean()
    torch.testing.assert_close(losses["entropy"], entropy.detach())
    expected = method.supervised(logits, batch) + 0.1 * ramp_up(step) * entropy
    torch.testing.assert_close(losses["loss"], expected)


def test_it_may_be_trained_on_labelled_samples_alone(build, make_batch, loss_of):
    method = build("entropy_minimisation")
    assert not method.needs_unlabelled
    assert torch.isfinite(loss_of(method, make_batch()))
