import pytest
import torch
from torch import nn

from remodal.networks.maml import Gate, ModalityAwareModule, ModalityAwareNet
from remodal.networks.unet import UNet, plan_layout

LAYOUT = plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)])
NNUNET = [(2, 2, 2)] * 5


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("modalities", "base", "published"),
    [(2, 32, 62.6e6), (2, 16, 33.2e6), (4, 32, 125.2e6), (4, 16, 66.5e6)],
)
def test_maml_has_the_published_number_of_parameters(modalities, base, published):
    with torch.device("meta"):
        net = ModalityAwareNet(modalities, 2, plan_layout(base, 320, NNUNET))
        unet = UNet(1, 2, plan_layout(base, 320, NNUNET))
    dual = (27 * modalities * base + 1) * base
    gate = (27 * 2 * base + 1) * base + 2 * base + (27 * base + 1) * base
    head = 2 * base
    assert parameters(net) == modalities * (parameters(unet) + gate) + dual + head
    assert parameters(net) == pytest.approx(published, rel=2e-3)


def gate_values(variant, gamma, beta, width=8):
    """Values of a gate on Gaussian features, with the last affine layer set by hand."""
    torch.manual_seed(0)
    gate = Gate(width, variant)
    if variant == "paper":
        nn.init.constant_(gate.second.norm.weight, gamma)
        nn.init.constant_(gate.second.norm.bias, beta)
    else:
        gate.second.weight.data *= gamma
        nn.init.constant_(gate.second.bias, beta)
    with torch.no_grad():
        return gate(torch.randn(1, width, 16, 16, 16), torch.randn(1, width, 16, 16, 16))


@pytest.mark.parametrize(("gamma", "beta"), [(1, 0), (1, -4), (2, -4), (4, 0), (4, -4)])
def test_the_gate_as_printed_cannot_close(gamma, beta):
    values = gate_values("paper", gamma, beta)
    assert values.min() < 0.5 < values.max()
    # What the norm puts out is at least beta - gamma * 6 here, of which LeakyReLU leaves 1 %.
    assert values.min() > torch.tensor(0.01 * (beta - gamma * 6)).sigmoid()
    assert values.min() > 0.42


def test_the_gate_as_printed_is_half_open_to_begin_with():
    values = gate_values("paper", 1, 0)
    assert values.min().item() == pytest.approx(0.4885, abs=0.003)
    assert values.median().item() == pytest.approx(0.5, abs=0.03)


def test_the_repositorys_gate_spans_the_unit_interval():
    assert gate_values("repo", 1, -10).max() < 1e-3
    assert gate_values("repo", 1, 10).min() > 1 - 1e-3
    wide = gate_values("repo", 60, 0)
    assert wide.min() < 1e-3
    assert wide.max() > 1 - 1e-3


@pytest.mark.parametrize(("variant", "closes"), [("repo", True), ("paper", False)])
def test_training_can_close_the_repositorys_gate_only(variant, closes):
    torch.manual_seed(0)
    gate = Gate(4, variant)
    own, dual = torch.randn(2, 1, 4, 8, 8, 8)
    optimiser = torch.optim.Adam(gate.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        mean = gate(own, dual).mean()
        mean.backward()
        optimiser.step()
    assert (mean.item() < 0.01) is closes
    if not closes:
        assert mean.item() > 0.44


@pytest.mark.parametrize("variant", ["repo", "paper"])
@pytest.mark.parametrize("modalities", [2, 3])
def test_the_module_sums_the_gated_features(variant, modalities):
    torch.manual_seed(0)
    module = ModalityAwareModule(modalities, 4, variant)
    features = list(torch.randn(modalities, 2, 4, 4, 6, 6))
    gates = list(module.gates(features))
    assert all(gate.shape == own.shape for gate, own in zip(gates, features))
    assert not torch.allclose(gates[0], gates[1])
    expected = sum(gate * own for gate, own in zip(gates, features))
    torch.testing.assert_close(module(features), expected)


@pytest.mark.parametrize("missing", [[0], [1, 3], [0, 2, 3]])
def test_missing_features_leave_sums_of_the_others_at_the_size_of_all(missing):
    """F_dual and F_att are M / n times the sums over the n of M modalities that are there."""
    torch.manual_seed(0)
    module = ModalityAwareModule(4, 3)
    features = list(torch.randn(4, 2, 3, 4, 6, 6))
    there = [number for number in range(4) if number not in missing]
    scale = 4 / len(there)
    parts = [features[n] if n in there else torch.zeros_like(features[n]) for n in range(4)]
    bias = module.dual.bias[:, None, None, None]
    dual = scale * (module.dual(torch.cat(parts, 1)) - bias) + bias
    expected = scale * sum(module.attention[n](features[n], dual) * features[n] for n in there)
    found = module([features[n] if n in there else None for n in range(4)])
    torch.testing.assert_close(found, expected)


def test_features_that_are_equal_are_fused_alike_whatever_is_missing():
    """So no weight has to know how many modalities there are."""
    torch.manual_seed(0)
    module = ModalityAwareModule(4, 3)
    share = module.dual.weight[:, :3].detach()
    module.dual.weight.data = share.repeat(1, 4, 1, 1, 1)
    for gate in module.attention:
        gate.load_state_dict(module.attention[0].state_dict())
    feature = torch.randn(1, 3, 4, 6, 6)
    full = module([feature] * 4)
    torch.testing.assert_close(module([feature, None, feature, None]), full)


def test_the_joint_head_may_see_fewer_images_than_the_models():
    torch.manual_seed(0)
    net = ModalityAwareNet(3, 2, LAYOUT)
    images = list(torch.randn(3, 1, 1, 8, 16, 16))
    joint, own = net(images, levels=1, fused=[0, 2])
    assert len(own) == 3
    torch.testing.assert_close(joint, net([images[0], None, images[2]])[0])


def test_the_fused_features_reach_the_result_through_the_gates_alone():
    torch.manual_seed(0)
    module = ModalityAwareModule(2, 4)
    features = list(torch.randn(2, 1, 4, 4, 6, 6))
    for gate in module.attention:
        nn.init.constant_(gate.second.bias, 100.0)
    torch.testing.assert_close(module(features), features[0] + features[1])
    for gate in module.attention:
        nn.init.constant_(gate.second.bias, -200.0)
    assert not module(features).any()


def test_a_gate_depends_on_the_other_modality():
    torch.manual_seed(0)
    module = ModalityAwareModule(2, 4)
    one, other = torch.randn(2, 1, 4, 4, 6, 6)
    first, _ = module.gates([one, other])
    changed, _ = module.gates([one, other + 1])
    assert not torch.allclose(first, changed)


def test_joint_and_own_logits_have_the_image_shape_and_the_levels():
    net = ModalityAwareNet(2, 3, LAYOUT)
    images = list(torch.randn(2, 1, 1, 8, 16, 16))
    joint, own = net(images, levels=2)
    assert joint.shape == (1, 3, 8, 16, 16)
    assert [[tuple(out.shape) for out in levels] for levels in own] == [
        [(1, 3, 8, 16, 16), (1, 3, 8, 8, 8)]
    ] * 2
    assert net(images)[1] == [[], []]


def test_own_logits_are_those_of_the_modalitys_unet_alone():
    torch.manual_seed(0)
    net = ModalityAwareNet(2, 3, LAYOUT)
    images = list(torch.randn(2, 1, 1, 8, 16, 16))
    _, own = net(images, levels=1)
    for model, image, levels in zip(net.models, images, own):
        torch.testing.assert_close(levels, model(image))


def test_the_gates_of_images_are_those_of_their_features():
    torch.manual_seed(0)
    net = ModalityAwareNet(2, 3, LAYOUT)
    images = list(torch.randn(2, 1, 1, 8, 16, 16))
    features = [model.features(image)[0] for model, image in zip(net.models, images)]
    torch.testing.assert_close(list(net.gates(images)), list(net.fusion.gates(features)))


def test_the_module_keeps_pytorchs_initialisation_and_the_unets_have_nnunets():
    torch.manual_seed(0)
    net = ModalityAwareNet(2, 2, plan_layout(16, 16, [(2, 2, 2)]))
    dual = net.fusion.dual
    bound = (27 * 32) ** -0.5
    assert 0.9 * bound < dual.weight.abs().max() <= bound
    assert dual.bias.any()
    assert not net.models[0].encoder.stages[0].second.conv.bias.any()
