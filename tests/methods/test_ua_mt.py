"""UA-MT, by hand."""

from math import log

import pytest
import torch

from remodal.methods.mean_teacher import TEACHER
from remodal.networks.perturbation import clamped_noise
from remodal.objectives.batch import Step
from remodal.objectives.ramp_up import ramp_up

from .conftest import half_labelled


@pytest.mark.parametrize("number", [0, 60])
def test_only_voxels_where_the_mean_of_eight_predictions_is_certain_count(
    build, make_batch, number
):
    method, batch = build("ua_mt"), half_labelled(make_batch())
    method.network.eval()
    teacher = method.companions[TEACHER]
    teacher.decoder.heads[0].bias.data += torch.tensor([0.5, -0.5])
    step = Step(epoch=0, iteration=number, epochs=1, iterations=100)
    torch.manual_seed(2)
    found = method.objective(batch, step)["consistency"]

    torch.manual_seed(2)
    image = method.image(batch.images)
    student = method.network(image)[0][1:].softmax(1)
    with torch.no_grad():
        taught = teacher(clamped_noise(image[1:], 0.1, 0.2))[0].softmax(1)
        more = []
        for _ in range(4):
            twice = image[1:].repeat(2, 1, 1, 1, 1)
            more += teacher(clamped_noise(twice, 0.1, 0.2))[0].softmax(1)
    mean = torch.stack(more).mean(0)
    assert len(more) == 8
    uncertainty = -(mean * torch.log(mean + 1e-6)).sum(0)
    mask = uncertainty < (0.75 + 0.25 * ramp_up(step, stairs=None)) * log(2)
    assert 0 < mask.sum() < mask.numel()
    distance = (student - taught).square()[0]
    expected = (mask * distance).sum() / (2 * mask.sum() + 1e-16)
    torch.testing.assert_close(found, expected.detach())
