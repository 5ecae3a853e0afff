import torch

from remodal.networks.unet import Heads
from remodal.objectives.segmentation import log_probabilities, segmentation_loss

from .conftest import FIRST


def test_the_joint_loss_is_all_there_is(build, make_batch):
    method, batch = build("ms_ma"), make_batch()
    joint, own = method.network([batch.images["arterial"], batch.images["venous"]])
    losses = method.objective(batch, FIRST)
    assert list(losses) == ["loss"]
    assert own == [[], []]
    expected = segmentation_loss(log_probabilities(joint), batch.label, "batch")
    torch.testing.assert_close(losses["loss"], expected)


def test_its_models_have_no_heads_that_nothing_would_train(build):
    heads = [module for module in build("ms_ma").network.modules() if isinstance(module, Heads)]
    assert [len(of_model) for of_model in heads] == [0, 0]


def test_attention_is_one_map_a_modality_in_the_unit_interval(build, make_batch):
    method, batch = build("ms_ma"), make_batch()
    images = {name: batch.images[name] for name in method.modalities}
    maps = method.attention(images)
    gates = list(method.network.gates([batch.images["arterial"], batch.images["venous"]]))
    assert list(maps) == ["arterial", "venous"]
    for shown, gate in zip(maps.values(), gates):
        assert shown.shape == (2, 1, 8, 16, 16)
        assert 0 < shown.min() < shown.max() < 1
        torch.testing.assert_close(shown[:, 0], gate.mean(1))


def test_half_width_halves_the_models_and_the_module(build):
    full, half = build("ms_ma"), build("ms_ma", width="half")
    assert full.network.joint.in_channels == 2 * half.network.joint.in_channels == 4
