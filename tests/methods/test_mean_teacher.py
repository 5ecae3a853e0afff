"""A mean teacher, by hand."""

import pytest
import torch

from remodal.methods.mean_teacher import TEACHER
from remodal.networks.perturbation import clamped_noise
from remodal.objectives.batch import Step
from remodal.objectives.ramp_up import ramp_up

from .conftest import half_labelled


def at(number, total=100):
    return Step(epoch=0, iteration=number, epochs=1, iterations=total)


def test_the_consistency_is_that_of_the_unlabelled_samples_with_a_noisy_teacher(build, make_batch):
    method, batch = build("mean_teacher", dropout=0.0), half_labelled(make_batch())
    for parameter in method.companions[TEACHER].parameters():
        parameter.data += 0.05
    torch.manual_seed(3)
    losses = method.objective(batch, at(50))
    torch.manual_seed(3)
    image = method.image(batch.images)
    (student,) = method.network(image)
    (teacher,) = method.companions[TEACHER](clamped_noise(image[1:], 0.1, 0.2))
    expected = (student[1:].softmax(1) - teacher.softmax(1)).square().mean()
    torch.testing.assert_close(losses["consistency"], expected.detach())
    torch.testing.assert_close(losses["supervised"], method.supervised(student, batch).detach())
    weight = 0.1 * ramp_up(at(50))
    torch.testing.assert_close(
        losses["loss"].detach(), losses["supervised"] + weight * losses["consistency"]
    )


@pytest.mark.parametrize("name", ["mean_teacher", "ua_mt"])
def test_gradients_do_not_reach_the_teacher(build, make_batch, name):
    method = build(name)
    method.objective(half_labelled(make_batch()), at(99))["loss"].backward()
    assert all(weight.grad is None for weight in method.companions[TEACHER].parameters())
    assert all(weight.grad is not None for weight in method.network.parameters())


@pytest.mark.parametrize("name", ["mean_teacher", "ua_mt", "cct", "entropy_minimisation"])
def test_what_stands_in_for_a_missing_label_is_not_used(build, make_batch, name):
    losses = []
    for fill in (-1, 12345):
        method, batch = build(name), half_labelled(make_batch())
        batch.label[1] = fill
        torch.manual_seed(1)
        losses.append(method.objective(batch, at(99))["loss"])
    assert torch.isfinite(losses[0])
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("number", "decay"), [(0, 0.0), (1, 0.5), (3, 0.75), (98, 1 - 1 / 99), (99, 0.99), (500, 0.99)]
)
def test_the_teacher_s_weights_follow_and_its_running_statistics_do_not(build, number, decay):
    method = build("mean_teacher")
    teacher = method.companions[TEACHER]
    torch.manual_seed(5)
    for value in method.network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value))
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    method.after_step(at(number))
    current, weights = method.network.state_dict(), dict(teacher.named_parameters())
    for key, value in teacher.state_dict().items():
        moved = decay * before[key] + (1 - decay) * current[key]
        torch.testing.assert_close(value, moved if key in weights else before[key])


def test_the_teacher_s_batch_norm_measures_what_the_teacher_sees(build, make_batch):
    """It is in training mode: its statistics move with its own batches."""
    method, batch = build("mean_teacher"), half_labelled(make_batch())
    before = [value.clone() for value in method.companions[TEACHER].buffers()]
    method.objective(batch, at(0))
    after = list(method.companions[TEACHER].buffers())
    assert not any(torch.equal(one, other) for one, other in zip(before, after))
