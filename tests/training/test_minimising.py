import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import nn

from remodal.methods.bases.optimisation import Optimisation
from remodal.settings import RecipeSettings
from remodal.training.minimising import make_minimisers, minimise

PLAIN = {
    "optimiser": "sgd",
    "learning_rate": 1,
    "weight_decay": 0,
    "momentum": 0,
    "nesterov": False,
    "gradient_clip": None,
}


@pytest.fixture
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def plain(*parameters, **recipe):
    return Optimisation([{"params": list(parameters)}], RecipeSettings(**PLAIN | recipe))


def test_a_loss_leaves_gradients_in_its_own_parameters_only(fabric):
    network, judge = nn.Linear(3, 3), nn.Linear(3, 1)
    for moves, stays in ((network, judge), (judge, network)):
        before = [p.detach().clone() for net in (moves, stays) for p in net.parameters()]
        minimisers = make_minimisers({"loss": plain(*moves.parameters())})
        minimise(minimisers, {"loss": judge(network(torch.ones(1, 3))).sum()}, fabric)
        after = [p.detach() for net in (moves, stays) for p in net.parameters()]
        changed = [not torch.equal(one, other) for one, other in zip(before, after)]
        assert changed == [True, True, False, False]
        assert all(p.grad is None for p in stays.parameters())


def test_all_gradients_are_of_the_same_weights(fabric):
    """Each loss goes through the weight that the other changes in the same step."""
    first, second = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
    minimisers = make_minimisers({"first": plain(first), "second": plain(second)})
    product = first * second
    minimise(minimisers, {"first": product, "second": 2 * product}, fabric)
    assert (first.item(), second.item()) == (2 - 3, 3 - 2 * 2)


def test_a_loss_that_is_left_out_waits(fabric):
    first, second = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
    minimisers = make_minimisers({"first": plain(first), "second": plain(second)})
    minimise(minimisers, {"second": first * second, "logged": first * 7}, fabric)
    assert (first.item(), second.item()) == (2, 3 - 2)


def test_each_optimiser_clips_its_own_gradients(fabric):
    weights = [nn.Parameter(torch.tensor(0.0)) for _ in range(2)]
    clips = {"a": 0.5, "b": None}
    minimisers = make_minimisers(
        {
            name: plain(weight, gradient_clip=clip)
            for (name, clip), weight in zip(clips.items(), weights)
        }
    )
    minimise(minimisers, {"a": 8 * weights[0], "b": 8 * weights[1]}, fabric)
    assert [weight.item() for weight in weights] == pytest.approx([-0.5, -8.0])


def test_with_a_scaled_loss_only_the_optimiser_with_infinite_gradients_skips_its_step():
    scaled = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4.0))
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[scaled])
    first, second = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
    minimisers = make_minimisers({"first": plain(first, gradient_clip=12), "second": plain(second)})
    minimise(minimisers, {"first": 5 * first, "second": 7 * second}, fabric)
    assert (first.item(), second.item()) == pytest.approx((2 - 5, 3 - 7))
    minimise(minimisers, {"first": first * float("inf"), "second": 7 * second}, fabric)
    assert (first.item(), second.item()) == pytest.approx((2 - 5, 3 - 7 - 7))
    assert scaled.scaler.get_scale() == 2.0  # halved once, for both


def test_two_losses_may_not_share_a_weight():
    weight = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="one, two share a parameter"):
        make_minimisers({"one": plain(weight), "two": plain(weight)})
