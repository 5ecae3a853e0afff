"""The losses of `one_input`, and the networks that learn against it."""

import pytest
import torch
from lightning_fabric import Fabric

from remodal.methods import build_method
from remodal.networks.discriminators import MapDiscriminator
from remodal.networks.genesis import GenesisUNet
from remodal.objectives import mask_adversaries, masks
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.training.minimising import make_minimisers, minimise

from .conftest import FIRST

PUBLISHED = NetworkSettings(strides=[(2, 2, 2)] * 3)
OPPONENTS = {"gan": "discriminator", "embedding": "discriminator", "gambling": "gambler"}
PLAIN = {
    "bce": masks.binary_cross_entropy,
    "dice": masks.dice_loss,
    "bce_dice": masks.cross_entropy_and_dice,
}


def copied(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(one, other):
    return all(map(torch.equal, one, other))


def drawn(method, batch):
    """What the method is trained on with the seed 0, and what it makes of it."""
    torch.manual_seed(0)
    image, mask = method.drawn(batch)
    return image, method.network(image), mask


@pytest.mark.parametrize(("loss", "expected"), PLAIN.items())
def test_a_loss_without_another_network(build, make_batch, loss_of, loss, expected):
    method, batch = build("one_input", loss=loss), make_batch()
    assert method.companions == {}
    assert set(method.optimisations(RecipeSettings())) == {"loss"}
    _, logits, mask = drawn(method, batch)
    torch.testing.assert_close(loss_of(method, batch), expected(logits, mask))


@pytest.mark.parametrize("loss", OPPONENTS)
def test_the_losses_are_cross_entropy_with_the_weighted_term_and_the_other_network_s(
    build, make_batch, loss
):
    method, batch = build("one_input", loss=loss, weight=0.3, smoothing=0.5), make_batch()
    image, logits, mask = drawn(method, batch)
    opponent = method.companions[OPPONENTS[loss]]
    terms = {
        "gan": lambda: mask_adversaries.gan_losses(opponent, logits, mask),
        "embedding": lambda: mask_adversaries.embedding_losses(opponent, logits, mask),
        "gambling": lambda: mask_adversaries.gambling_losses(opponent, image, logits, mask, 0.5),
    }
    term, own = terms[loss]()
    supervised = masks.binary_cross_entropy(logits, mask)
    torch.manual_seed(0)
    found = method.objective(batch, FIRST)
    assert set(found) == {"loss", "supervised", loss, OPPONENTS[loss]}
    torch.testing.assert_close(found["loss"], supervised + 0.3 * term)
    torch.testing.assert_close(found[OPPONENTS[loss]], own)
    assert not found["supervised"].requires_grad
    assert not found[loss].requires_grad


@pytest.mark.parametrize("loss", OPPONENTS)
@pytest.mark.parametrize("minimised", ["loss", "own"])
def test_each_loss_changes_its_own_network_and_no_other(build, make_batch, loss, minimised):
    """Though the segmentor's loss passes through the other network."""
    method, name = build("one_input", loss=loss), OPPONENTS[loss]
    networks = {"loss": method.network, name: method.companions[name]}
    before = {key: copied(network) for key, network in networks.items()}
    wanted = "loss" if minimised == "loss" else name
    losses = method.objective(make_batch(), FIRST)
    minimisers = make_minimisers(method.optimisations(RecipeSettings()))
    minimise(minimisers, {wanted: losses[wanted]}, Fabric(accelerator="cpu"))
    for key, network in networks.items():
        assert same(before[key], copied(network)) is (key != wanted)


@pytest.mark.parametrize("loss", OPPONENTS)
def test_the_other_network_has_an_adam_of_its_own(build, loss):
    method = build("one_input", loss=loss, opponent_rate=2e-4)
    recipe = RecipeSettings(optimiser="sgd", schedule="step", weight_decay=0.1)
    own = method.optimisations(recipe)[OPPONENTS[loss]].recipe
    assert (own.optimiser, own.amsgrad, own.schedule) == ("adam", False, "constant")
    assert (own.learning_rate, own.weight_decay, own.gradient_clip) == (2e-4, 0, None)


@pytest.mark.parametrize(
    ("loss", "kind", "count"),
    [
        ("gan", MapDiscriminator, 2_642_369),
        ("embedding", MapDiscriminator, 2_642_369),
        ("gambling", GenesisUNet, 1_193_977),
    ],
)
def test_the_other_network_s_size_at_the_paper_s(loss, kind, count):
    with torch.device("meta"):
        method = build_method("one_input", ["t1", "t2"], 1, PUBLISHED, {"loss": loss})
        (opponent,) = method.build_companions(PUBLISHED).values()
    assert isinstance(opponent, kind)
    assert sum(parameter.numel() for parameter in opponent.parameters()) == count


def test_the_gambler_has_16_to_128_channels():
    with torch.device("meta"):
        method = build_method("one_input", ["t1", "t2"], 1, PUBLISHED, {"loss": "gambling"})
        gambler = method.build_companions(PUBLISHED)["gambler"]
    assert [stage.second.conv.out_channels for stage in gambler.down] == [16, 32, 64, 128]
    assert gambler.down[0].first.conv.in_channels == 2


@pytest.mark.parametrize("loss", OPPONENTS)
@pytest.mark.parametrize("shape", [(8, 16, 16), (16, 32, 24), (8, 8, 8)])
def test_patches_of_any_size_are_judged(build, loss, shape):
    method = build("one_input", loss=loss)
    image, mask = (torch.zeros(1, 1, *shape) for _ in range(2))
    losses = method.against(image, method.network(image), mask)
    assert all(each.isfinite() for each in losses)


@pytest.mark.parametrize("loss", OPPONENTS)
def test_a_few_rounds_make_the_other_network_better(build, make_batch, loss):
    """While the segmentor stays as it is."""
    method, batch = build("one_input", ["arterial"], loss=loss, opponent_rate=0.01), make_batch()
    name, found = OPPONENTS[loss], []
    minimisers = make_minimisers(method.optimisations(RecipeSettings()))
    for _ in range(8):
        losses = method.objective(batch, FIRST)
        found.append(losses[name].item())
        minimise(minimisers, {name: losses[name]}, Fabric(accelerator="cpu"))
    assert found[-1] < found[0]
