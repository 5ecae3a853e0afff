"""CCT, by hand."""

import torch

from remodal.methods import build_method
from remodal.objectives.batch import Step
from remodal.objectives.ramp_up import ramp_up
from remodal.settings import NetworkSettings, RecipeSettings

from .conftest import half_labelled

LAST = Step(epoch=0, iteration=99, epochs=1, iterations=100)


def parts(method, batch, seed=4):
    """Losses of a step, and the logits of the main decoder and of the three others."""
    torch.manual_seed(seed)
    losses = method.objective(batch, LAST)
    torch.manual_seed(seed)
    features = method.network.encoder(method.image(batch.images))
    (main,) = method.network.decoder(features)
    return losses, main, list(method.auxiliary(features).values())


def test_all_decoders_are_supervised_and_drawn_to_the_main_one_where_no_label_is(build, make_batch):
    method, batch = build("cct"), half_labelled(make_batch())
    losses, main, others = parts(method, batch)
    assert len(others) == 3
    supervised = sum(method.supervised(logits, batch) for logits in (main, *others)) / 4
    consistency = (
        sum((main[1:].softmax(1) - other[1:].softmax(1)).square().mean() for other in others) / 3
    )
    torch.testing.assert_close(losses["supervised"], supervised.detach())
    torch.testing.assert_close(losses["consistency"], consistency.detach())
    expected = supervised + 0.1 * ramp_up(LAST) * consistency
    torch.testing.assert_close(losses["loss"], expected)


def test_each_decoder_sees_another_change_of_the_features(build, make_batch):
    method = build("cct", dropout=0.0)
    seen = {}
    for name, decoder in method.companions.items():
        decoder.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0]})
        )
    features = method.network.encoder(method.image(make_batch().images))
    method.auxiliary(features)
    assert list(seen) == ["noise", "dropout", "strongest"]
    for first, noise, strongest in zip(features, seen["noise"], seen["strongest"]):
        assert (noise - first).abs().max() <= 0.3 * first.abs().max() + 1e-6
        assert not torch.equal(noise, first)
        assert not torch.equal(strongest, first)
        assert (strongest[strongest != 0] == first[strongest != 0]).all()
    whole = torch.cat([(each == 0).all(dim=(2, 3, 4)).flatten() for each in seen["dropout"]])
    assert whole.any()


def test_the_main_decoder_is_drawn_to_the_others_too(build, make_batch):
    method, batch = build("cct"), half_labelled(make_batch())
    _, main, others = parts(method, batch)
    distance = sum((main[1:].softmax(1) - other[1:].softmax(1)).square().mean() for other in others)
    head = method.network.decoder.heads[0].weight
    (gradient,) = torch.autograd.grad(distance, [head])
    assert gradient.abs().max() > 0


def test_its_parameters_are_those_of_the_paper():
    """15,664,776 (15.65 million as printed, from truncated terms)."""
    network = NetworkSettings(base_width=16, max_width=256, strides=[(2, 2, 2)] * 4)
    with torch.device("meta"):
        method = build_method("cct", ["ct"], 1, network)
        method.companions = method.build_companions(network)
    groups = method.optimisations(RecipeSettings())["loss"].parameters
    assert sum(weight.numel() for group in groups for weight in group["params"]) == 15_664_776
    assert sum(weight.numel() for weight in method.network.parameters()) == 9_448_866
