"""DAN and SASSNet."""

from math import exp

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from remodal.methods import build_method
from remodal.methods.bases.layouts import layout_of
from remodal.networks.discriminators import MapDiscriminator
from remodal.networks.vnet import VNet
from remodal.objectives.batch import Step
from remodal.objectives.level_set import level_sets
from remodal.objectives.squared_dice import cross_entropy_and_dice, squared_dice_loss
from remodal.settings import NetworkSettings, RecipeSettings
from remodal.training.minimising import make_minimisers, minimise

from .conftest import FIRST, half_labelled

PUBLISHED = NetworkSettings(base_width=16, max_width=256, strides=[(2, 2, 2)] * 4)
KINDS = ["dan", "sassnet"]
LAST = Step(0, 5999, 1, 6000)


@pytest.mark.parametrize(("kind", "count"), [("dan", 12_095_331), ("sassnet", 20_469_156)])
def test_all_that_is_trained_has_the_published_number_of_weights(kind, count):
    with torch.device("meta"):
        method = build_method(kind, ["ct"], 1, PUBLISHED)
        method.companions = method.build_companions(PUBLISHED)
    optimisations = method.optimisations(RecipeSettings())
    assert set(optimisations) == {"loss", "discriminator"}
    groups = [group for each in optimisations.values() for group in each.parameters]
    assert sum(p.numel() for group in groups for p in group["params"]) == count


def test_with_one_channel_dan_has_the_other_published_number():
    """A sigmoid head, and a discriminator of one channel: 12.09 million as well."""
    with torch.device("meta"):
        networks = VNet(1, [1], layout_of(PUBLISHED)), MapDiscriminator(1, 64)
    assert sum(p.numel() for net in networks for p in net.parameters()) == 12_091_218


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("minimised", ["loss", "discriminator"])
def test_each_loss_changes_its_own_network_and_no_other(build, make_batch, kind, minimised):
    """Though the adversarial loss passes through the discriminator."""
    method = build(kind)
    networks = {"loss": method.network, "discriminator": method.companions["discriminator"]}
    before = {name: copied(network) for name, network in networks.items()}
    losses = method.objective(half_labelled(make_batch()), LAST)
    minimisers = make_minimisers(method.optimisations(RecipeSettings()))
    minimise(minimisers, {minimised: losses[minimised]}, Fabric(accelerator="cpu"))
    for name, network in networks.items():
        assert same(before[name], copied(network)) is (name != minimised)


@pytest.mark.parametrize("kind", KINDS)
def test_the_adversarial_loss_is_one_of_the_unlabelled_samples(build, make_batch, kind):
    method, batch = build(kind, dropout=0.0), half_labelled(make_batch())
    seen = []
    judge = method.companions["discriminator"]
    judge.register_forward_hook(lambda _, shown, odds: seen.append((shown, odds)))
    losses = method.objective(batch, LAST)
    (unlabelled, odds), (everything, _) = seen
    assert len(unlabelled[0]) == 1
    torch.testing.assert_close(losses["adversarial"], -logsigmoid(odds).mean().detach())
    assert unlabelled[0].requires_grad
    assert len(everything[0]) == 2
    assert not everything[0].requires_grad


def copied(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(one, other):
    return all(map(torch.equal, one, other))


def by_hand(method, batch):
    """The supervised loss and what the discriminator sees, with the network in training."""
    image = torch.cat([batch.images["arterial"], batch.images["venous"]], 1)
    label = batch.label[:1]
    if method.name == "dan":
        (logits,) = method.network(image)
        p = logits.softmax(1)
        return cross_entropy_and_dice(logits[:1], label), (p,)
    segmentation, level = method.network(image)
    p, z = segmentation.sigmoid(), level.tanh()
    apart = (z[:1, 0] - level_sets(label == 1, "repo_zero")).square().mean()
    return squared_dice_loss(p[:1, 0], label == 1) + 0.3 * apart, (z, image)


@pytest.mark.parametrize(("kind", "most"), [("dan", 0.1), ("sassnet", 0.01)])
@pytest.mark.parametrize("number", [0, 4500])
def test_the_losses_by_hand(build, make_batch, kind, most, number):
    method, batch = build(kind, dropout=0.0), half_labelled(make_batch())
    judge = method.companions["discriminator"]
    for module in judge.modules():
        if isinstance(module, torch.nn.Dropout3d):
            module.p = 0.0
    supervised, shown = by_hand(method, batch)
    odds = judge(*(part[1:] for part in shown))
    adversarial = binary_cross_entropy_with_logits(odds, torch.ones_like(odds))
    weight = most * exp(-5 * (1 - number // 150 / 40) ** 2)
    method.network.load_state_dict(build(kind, dropout=0.0).network.state_dict())
    losses = method.objective(batch, Step(0, number, 1, 6000))
    torch.testing.assert_close(losses["loss"], supervised + weight * adversarial)
    torch.testing.assert_close(losses["adversarial"], adversarial.detach())
    method.network.eval()
    with torch.no_grad():
        odds = judge(*by_hand(method, batch)[1])
    target = torch.tensor([1.0, 0.0]).view(-1, *[1] * (odds.dim() - 1)).expand_as(odds)
    expected = binary_cross_entropy_with_logits(odds, target)
    torch.testing.assert_close(losses["discriminator"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_both_networks_are_left_in_training_with_the_statistics_of_one_batch(
    build, make_batch, kind
):
    method, batch = build(kind), half_labelled(make_batch())
    method.objective(batch, FIRST)
    for network in (method.network, method.companions["discriminator"]):
        assert all(module.training for module in network.modules())
    counts = {
        int(module.num_batches_tracked)
        for module in method.network.modules()
        if isinstance(module, torch.nn.BatchNorm3d)
    }
    assert counts == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminator_has_an_adam_of_its_own(build, kind):
    method = build(kind, discriminator_rate=2e-4)
    own = method.optimisations(RecipeSettings(optimiser="sgd", schedule="step"))["discriminator"]
    recipe = own.recipe
    assert (recipe.optimiser, recipe.amsgrad, recipe.schedule) == ("adam", False, "constant")
    assert (recipe.learning_rate, recipe.weight_decay) == (2e-4, 0)
    assert recipe.gradient_clip is None
    (group,) = own.parameters
    assert group["betas"] == (0.9, 0.99)
