"""What the 2.5-D methods have in common."""

import math

import pytest
import torch

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.settings import NetworkSettings

from .conftest import FIRST, PHASES

METHODS = {"mc_fcn": 32, "mw_unet": 16, "pa_resseg": 32}


@pytest.mark.parametrize("name", METHODS)
def test_several_slices_at_once_are_predicted_as_one_by_one(build, make_batch, name):
    method = build(name)
    method.network.eval()
    images = make_batch(context=method.context).images
    with torch.no_grad():
        whole = method.probabilities(images)
        single = [
            method.probabilities({key: image[:, :, z : z + 3] for key, image in images.items()})
            for z in range(whole.shape[2])
        ]
    torch.testing.assert_close(whole, torch.cat(single, dim=2))


@pytest.mark.parametrize("name", METHODS)
def test_a_slice_is_seen_with_its_two_neighbours_and_no_other(build, make_batch, name):
    method = build(name)
    method.network.eval()
    images = make_batch(context=method.context).images
    seen = images["venous"].requires_grad_()
    method.logits(images)[:, :, 4].square().sum().backward()
    reached = seen.grad.abs().amax(dim=(0, 1, 3, 4)) > 0
    assert reached.nonzero().flatten().tolist() == [4, 5, 6]


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_the_mean_cross_entropy(build, make_batch, name):
    method = build(name, classes=2, **({"dropout": 0.0} if name == "mc_fcn" else {}))
    batch = make_batch(classes=2, context=method.context)
    method.network.eval()
    expected = torch.nn.functional.cross_entropy(method.logits(batch.images), batch.label)
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], expected)


@pytest.mark.parametrize(("name", "factor"), METHODS.items())
def test_a_patch_may_have_one_slice(name, factor):
    network = NetworkSettings(base_width=2, strides=[(2, 2, 2)] * 6)
    method = build_method(name, PHASES, 1, network)
    assert method.patch_multiple(network) == (1, factor, factor)
    images = {phase: torch.randn(1, 1, 3, factor * 2, factor) for phase in PHASES}
    assert method.probabilities(images).shape == (1, 2, 1, factor * 2, factor)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.6])
def test_the_most_probable_class_is_the_one_above_the_threshold(build, make_batch, threshold):
    method, images = build("pa_resseg", threshold=threshold), make_batch(context=(1, 0, 0)).images
    logits = torch.randn(2, 2, 8, 16, 16)
    method.logits = lambda _: logits
    p, found = torch.softmax(logits, 1)[:, 1], method.probabilities(images)
    assert torch.equal(found.argmax(1) == 1, p > threshold)
    torch.testing.assert_close(found.sum(1), torch.ones_like(p))


def test_of_several_classes_one_must_beat_the_background_by_the_threshold_s_odds(build, make_batch):
    images = make_batch(context=(1, 0, 0)).images
    shifted, plain = (
        build("pa_resseg", classes=2, threshold=t).probabilities(images) for t in (0.6, 0.5)
    )
    for one in (1, 2):
        odds = (shifted[:, one] / shifted[:, 0]).log() - (plain[:, one] / plain[:, 0]).log()
        torch.testing.assert_close(odds, torch.full_like(odds, -math.log(1.5)))


def test_the_target_is_the_last_modality_or_the_one_named(build, make_batch):
    images = make_batch(context=(1, 0, 0)).images
    arterial, venous = images["arterial"], images["venous"]
    assert build("pa_resseg").in_order(images) == [venous, arterial]
    assert build("pa_resseg", target="arterial").in_order(images) == [arterial, venous]
    with pytest.raises(UserError, match="option `target`: there is no modality `late`"):
        build("pa_resseg", target="late")


def test_each_branch_of_mc_fcn_starts_from_given_weights(build):
    method, other = build("mc_fcn"), build("mc_fcn")
    torch.nn.init.ones_(other.network.scores[0].bias)
    method.load(other.network.state_dict())
    assert torch.equal(method.network.scores[0].bias, torch.ones(2))
    with pytest.raises(ValueError, match="zip"):
        method.load({"features.0.weight": torch.zeros(1)})
