import pytest
import torch

from remodal.errors import UserError
from remodal.objectives.deep_supervision import deeply_supervised_loss
from remodal.objectives.segmentation import log_probabilities, segmentation_loss

from .conftest import FIRST

SEQUENCES = ("t1", "t1ce", "t2", "flair")


def terms(method, batch, levels):
    """L_joint and each L_intra, from the network's outputs."""
    joint, own = method.network([batch.images[name] for name in method.modalities], levels)
    label = batch.label
    weights = {1: [1.0], 2: [2 / 3, 1 / 3]}[levels]
    intra = [
        deeply_supervised_loss([log_probabilities(out) for out in outs], label, weights, "batch")
        for outs in own
    ]
    return segmentation_loss(log_probabilities(joint), label, "batch"), intra


def test_the_loss_is_equation_3(build, make_batch):
    method, batch = build("maml"), make_batch()
    l_joint, l_intra = terms(method, batch, levels=2)
    losses = method.objective(batch, FIRST)
    torch.testing.assert_close(losses["loss"], 0.5 * sum(l_intra) + l_joint)
    torch.testing.assert_close(losses["joint"], l_joint)
    torch.testing.assert_close([losses["intra_arterial"], losses["intra_venous"]], l_intra)
    assert not losses["joint"].requires_grad


def test_lambda_weighs_the_intra_losses(build, make_batch):
    method, batch = build("maml", intra_weight=0.1), make_batch()
    l_joint, l_intra = terms(method, batch, levels=2)
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], 0.1 * sum(l_intra) + l_joint)


def test_the_repositorys_weights(build, make_batch):
    method, batch = build("maml", weights="repo"), make_batch()
    l_joint, l_intra = terms(method, batch, levels=2)
    torch.testing.assert_close(
        method.objective(batch, FIRST)["loss"], sum(l_intra) + 2 / 3 * l_joint
    )


def test_the_intra_losses_can_be_at_full_resolution_only(build, make_batch):
    method, batch = build("maml", intra_deep_supervision=False), make_batch()
    l_joint, l_intra = terms(method, batch, levels=1)
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], 0.5 * sum(l_intra) + l_joint)


@pytest.mark.parametrize("ma", ["repo", "paper"])
def test_the_joint_loss_alone_reaches_every_model(build, make_batch, ma):
    batch = make_batch(SEQUENCES)
    method = build("maml", SEQUENCES, ma=ma)
    l_joint, _ = terms(method, batch, levels=1)
    l_joint.backward()
    for model in method.network.models:
        for part in (model.encoder, model.decoder):
            for name, parameter in part.named_parameters():
                assert parameter.grad.isfinite().all(), name
                if not name.endswith("conv.bias"):  # InstanceNorm takes away what a bias adds
                    assert parameter.grad.abs().max() > 0, name
        assert all(head.weight.grad is None for head in model.heads)


def test_there_is_no_other_coupling_of_the_models(build, make_batch):
    """With the joint head cut off, one modality's loss says nothing to the other's model."""
    method, batch = build("maml"), make_batch()
    _, (arterial, _) = terms(method, batch, levels=2)
    arterial.backward()
    assert all(p.grad is None for p in method.network.models[1].parameters())
    assert all(p.grad is None for p in method.network.fusion.parameters())


def randomise(module):
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter)


def test_one_modality_is_predicted_by_its_own_head(build, make_batch):
    method, batch = build("maml"), make_batch()
    p = method.probabilities({"venous": batch.images["venous"]})
    (logits,) = method.network.models[1](batch.images["venous"])
    torch.testing.assert_close(p, torch.softmax(logits, 1))


@pytest.mark.parametrize(("name", "own", "other"), [("arterial", 0, 1), ("venous", 1, 0)])
def test_one_modality_needs_neither_the_other_model_nor_the_module(
    build, make_batch, name, own, other
):
    method, batch = build("maml"), make_batch()
    image = {name: batch.images[name]}
    before = method.probabilities(image)
    randomise(method.network.models[other])
    randomise(method.network.fusion)
    randomise(method.network.joint)
    assert torch.equal(method.probabilities(image), before)
    randomise(method.network.models[own])
    assert not torch.allclose(method.probabilities(image), before)


def test_all_modalities_are_predicted_by_the_joint_head(build, make_batch):
    method, batch = build("maml"), make_batch()
    images = {name: batch.images[name] for name in ("venous", "arterial")}
    joint, _ = method.network([batch.images["arterial"], batch.images["venous"]])
    p = method.probabilities(images)
    torch.testing.assert_close(p, torch.softmax(joint, 1))
    for model in method.network.models:
        randomise(model.heads)
    assert torch.equal(method.probabilities(images), p)


@pytest.mark.parametrize("present", [["t1", "t2"], ["t1", "t1ce", "t2"], [], ["dwi"]])
def test_some_of_the_modalities_are_not_supported(build, make_batch, present):
    method = build("maml", SEQUENCES)
    assert not method.supports(present)
    images = {name: make_batch([name]).images[name] for name in present}
    with pytest.raises(UserError) as raised:
        method.probabilities(images)
    assert "expected t1 + t1ce + t2 + flair or t1 or t1ce or t2 or flair" in str(raised.value)


def test_all_or_any_one_is_supported(build):
    method = build("maml", SEQUENCES)
    assert method.supports(SEQUENCES)
    assert all(method.supports([name]) for name in SEQUENCES)


def test_there_is_no_attention_without_all_modalities(build, make_batch):
    method, batch = build("maml"), make_batch()
    assert method.attention({"venous": batch.images["venous"]}) == {}
    both = {name: batch.images[name] for name in method.modalities}
    assert list(method.attention(both)) == ["arterial", "venous"]
