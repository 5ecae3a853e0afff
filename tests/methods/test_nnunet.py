import pytest
import torch

from remodal.networks.residual_unet import ResidualUNet
from remodal.objectives.segmentation import log_probabilities, segmentation_loss

from .conftest import FIRST


def test_the_modalities_are_channels_in_order(build, make_batch):
    method, batch = build("nnunet"), make_batch()
    images = {name: batch.images[name] for name in ("venous", "arterial")}
    stacked = torch.cat([batch.images["arterial"], batch.images["venous"]], 1)
    expected = torch.softmax(method.network(stacked)[0], 1)
    torch.testing.assert_close(method.probabilities(images), expected)


def test_one_phase_is_enough_if_it_was_built_for_one(build, make_batch):
    method, batch = build("nnunet", ["venous"]), make_batch(["venous"])
    assert method.supports(["venous"])
    assert not method.supports(["arterial"])
    assert method.probabilities({"venous": batch.images["venous"]}).shape == (2, 2, 8, 16, 16)


def test_its_encoder_may_be_residual(build, make_batch):
    plain, residual, batch = build("nnunet"), build("nnunet", encoder="residual"), make_batch()
    assert isinstance(residual.network, ResidualUNet)
    assert not isinstance(plain.network, ResidualUNet)
    losses = residual.objective(batch, FIRST)
    losses["loss"].backward()
    trained = [p.grad is not None for p in residual.network.parameters() if p.requires_grad]
    assert all(trained)
    shape = residual.probabilities(batch.images).shape
    assert shape == plain.probabilities(batch.images).shape


@pytest.mark.parametrize("name", ["nnunet", "octopusnet"])
def test_the_loss_is_deeply_supervised(build, make_batch, name):
    method, batch = build(name), make_batch()
    images = [batch.images["arterial"], batch.images["venous"]]
    full, half = method.network(torch.cat(images, 1) if name == "nnunet" else images, 2)
    label = batch.label
    expected = 2 / 3 * segmentation_loss(log_probabilities(full), label, "batch")
    expected += 1 / 3 * segmentation_loss(log_probabilities(half), label[:, :, 1::2, 1::2], "batch")
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], expected)


def test_the_loss_is_at_full_resolution_without_deep_supervision(build, make_batch):
    method, batch = build("nnunet", deep_supervision=False), make_batch()
    (full,) = method.network(torch.cat([batch.images["arterial"], batch.images["venous"]], 1))
    expected = segmentation_loss(log_probabilities(full), batch.label, "batch")
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], expected)
