import pytest
import torch
from torch import nn

from remodal.errors import UserError
from remodal.methods import build_method, method_options, method_origins
from remodal.networks.unet import Heads
from remodal.settings import RecipeSettings

from .conftest import FIRST

VARIANTS = [
    ("nnunet", {}),
    ("nnunet", {"deep_supervision": False, "dice_over": "batch"}),
    ("octopusnet", {}),
    ("octopusnet", {"deep_supervision": False}),
    ("ms_ensemble", {}),
    ("ms_ensemble", {"training": "joint"}),
    ("ms_ma", {}),
    ("ms_ma", {"ma": "paper", "width": "half"}),
    ("maml", {}),
    ("maml", {"ma": "paper", "width": "half", "weights": "repo"}),
    ("maml", {"intra_deep_supervision": False}),
    ("maml_any", {}),
    ("maml_any", {"alone": "joint"}),
    ("hemis", {}),
    ("uhved", {}),
    ("uhved", {"inference": "mean"}),
    ("kdnet", {}),
    ("rfnet", {"apart": 0.0}),
    ("mmformer", {}),
    ("vnet", {}),
    ("dtc", {}),
    ("dtc", {"level_set": False, "consistency": False}),
    ("dtc", {"segmentation": False, "consistency": False}),
    ("mean_teacher", {}),
    ("ua_mt", {}),
    ("entropy_minimisation", {}),
    ("cct", {}),
    ("dan", {}),
    ("sassnet", {}),
    ("mc_fcn", {}),
    ("mc_fcn", {"batch_norm": True}),
    ("mw_unet", {}),
    ("pa_resseg", {}),
    ("pa_resseg", {"attention": "column_sums", "target": "arterial", "threshold": 0.5}),
    ("sam_urim", {}),
    ("sam_urim", {"fusion": "add", "uncertain_region": False, "shared": False}),
    ("sam_urim", {"fusion": "weights", "backbone": "resnet50", "exchange": False}),
    ("sam_urim", {"fusion": "phase_attention", "backbone": "unet", "detach_mask": True}),
    ("sam_urim", {"fusion": "concat_input", "backbone": "unet"}),
    ("sam_urim", {"fusion": "concat_output", "backbone": "unet", "shared": False}),
    ("one_input", {}),
    ("one_input", {"loss": "gan"}),
    ("one_input", {"loss": "embedding"}),
    ("one_input", {"loss": "gambling"}),
    ("two_inputs", {}),
    ("two_inputs", {"specialised": True, "target": "venous"}),
    ("two_outputs", {}),
    ("two_outputs", {"specialised": True}),
]

#: Methods of one class; the others have two in these tests.
OF_ONE_CLASS = {"dtc", "one_input", "sassnet", "two_inputs", "two_outputs"}
#: Methods of two modalities, no more and no fewer.
OF_TWO_IMAGES = {"two_inputs", "two_outputs"}
DEEPLY_SUPERVISED = {"maml", "maml_any", "ms_ensemble", "nnunet", "octopusnet"}


def classes_of(name):
    return 1 if name in OF_ONE_CLASS else 2


def test_the_rows_of_the_papers_tables_are_registered():
    of_paper = {"hemis", "kdnet", "maml", "ms_ensemble", "ms_ma", "nnunet", "octopusnet", "uhved"}
    assert of_paper <= set(method_origins())


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_every_trainable_weight_is_trained(build, make_batch, loss_of, name, options):
    """Weights that no loss reaches, whichever modalities a step sees, are frozen."""
    classes = classes_of(name)
    method = build(name, classes=classes, **options)
    for seed in range(6):
        batch = make_batch(classes=classes, context=method.context)
        loss_of(method, batch, seed).backward()
    for key, parameter in method.network.named_parameters():
        assert (parameter.grad is not None) is parameter.requires_grad, key
    groups = method.optimisations(RecipeSettings())["loss"].parameters
    assert all(parameter.requires_grad for group in groups for parameter in group["params"])


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_probabilities_are_a_distribution_over_classes(build, make_batch, name, options):
    classes = classes_of(name)
    method = build(name, classes=classes, **options)
    p = method.probabilities(make_batch(context=method.context).images)
    assert p.shape == (2, classes + 1, 8, 16, 16)
    assert p.min() >= 0
    torch.testing.assert_close(p.sum(1), torch.ones(2, 8, 16, 16))


@pytest.mark.parametrize("name", method_origins())
def test_prediction_evaluates_one_head_for_each_model(build, make_batch, name):
    method = build(name)
    called = []
    for module in method.network.modules():
        if isinstance(module, Heads):
            for level, head in enumerate(module):
                head.register_forward_hook(lambda *_, level=level: called.append(level))
    batch = make_batch(context=method.context)
    method.probabilities(batch.images)
    assert set(called) <= {0}
    method.objective(batch, FIRST)
    assert max(called, default=0) == (1 if name in DEEPLY_SUPERVISED else 0)


@pytest.mark.parametrize("name", method_origins())
def test_but_for_dropout_and_batch_norm_the_result_is_the_same_in_training_and_in_evaluation(
    build, make_batch, name
):
    drops = any(option.name == "dropout" for option in method_options(name))
    method = build(name, **({"dropout": 0.0} if drops else {}))
    images = make_batch(context=method.context).images
    method.network.train()
    for module in method.network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.eval()
    expected = method.probabilities(images)
    method.network.eval()
    assert torch.equal(method.probabilities(images), expected)


@pytest.mark.parametrize("name", [name for name in method_origins() if name != "ms_ensemble"])
def test_a_few_steps_lower_the_loss(build, make_batch, loss_of, name):
    method = build(name)
    batch, more = make_batch(context=method.context), method.context[0]
    image = batch.images["arterial"][:, 0]
    batch.label.copy_(image[:, more : image.shape[1] - more] > 1)
    optimiser = torch.optim.Adam(method.optimisations(RecipeSettings())["loss"].parameters, lr=0.01)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = loss_of(method, batch, seed=5)  # sees all modalities
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("name", method_origins())
def test_the_same_seed_gives_the_same_loss_and_gradient(build, make_batch, loss_of, name):
    results, classes = [], classes_of(name)
    for _ in range(2):
        method = build(name, classes=classes)
        loss = loss_of(method, make_batch(classes=classes, context=method.context))
        loss.backward()
        gradients = [p.grad for p in method.network.parameters() if p.grad is not None]
        results.append([loss, *gradients])
    assert all(torch.equal(first, second) for first, second in zip(*results))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_the_maps_to_be_shown_are_those_named(build, make_batch, name, options):
    method = build(name, **options)
    images = make_batch(context=method.context).images
    maps = method.attention(images)
    assert list(maps) == method.maps
    assert all(shown.shape == (2, 1, 8, 16, 16) for shown in maps.values())
    method.network.eval()
    p, at_once = method.with_attention(images, target="")
    assert torch.equal(p, method.probabilities_of(images, target=""))
    assert list(at_once) == method.maps
    maps = method.attention(images)
    assert all(torch.equal(at_once[name], maps[name]) for name in maps)


@pytest.mark.parametrize("name", method_origins())
def test_convolutions_are_channels_last(build, name):
    formats = {nn.Conv2d: torch.channels_last, nn.Conv3d: torch.channels_last_3d}
    for module in build(name).network.modules():
        if type(module) in formats:
            assert module.weight.is_contiguous(memory_format=formats[type(module)])


@pytest.mark.parametrize("name", method_origins())
def test_bfloat16_autocast_stays_near_full_precision(build, make_batch, loss_of, name):
    method = build(name)
    batch = make_batch(context=method.context)
    expected = loss_of(method, batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(method, batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.02, rtol=0)


def test_an_unknown_method_is_named():
    with pytest.raises(UserError, match="unknown method `mamll`"):
        build_method("mamll", ["t1"], 1, None)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("maml", {"lambda": 0.5}, "option `lambda`"),
        ("maml", {"ma": "mine"}, "option `ma`"),
        ("maml", {"intra_weight": -1}, "option `intra_weight`"),
        ("nnunet", {"deep_supervision": "often"}, "option `deep_supervision`"),
    ],
)
def test_a_wrong_option_is_named(build, name, options, said):
    with pytest.raises(UserError, match=said):
        build(name, **options)


@pytest.mark.parametrize("name", ["maml", "ms_ma"])
def test_fusion_needs_two_modalities(build, name):
    with pytest.raises(UserError, match="at least 2 modalities"):
        build(name, ["venous"])


@pytest.mark.parametrize("name", ["nnunet", "octopusnet", "ms_ma"])
@pytest.mark.parametrize("present", [["arterial"], [], ["arterial", "venous", "delayed"]])
def test_a_method_predicts_from_exactly_its_modalities(build, make_batch, name, present):
    method = build(name)
    assert method.supports(["venous", "arterial"])
    assert not method.supports(present)
    with pytest.raises(UserError, match=r"expected arterial \+ venous$"):
        method.probabilities(make_batch(present).images)


@pytest.mark.parametrize("name", method_origins())
def test_every_option_is_documented_and_its_default_is_valid(build, name):
    options = method_options(name)
    assert options
    assert all(option.description and option.type for option in options)
    build(name, **{option.name: option.default for option in options})


def test_the_defaults_are_the_recommended_choices():
    defaults = {option.name: option.default for option in method_options("maml")}
    assert defaults == {
        "ma": "repo",
        "width": "full",
        "weights": "paper",
        "intra_weight": 0.5,
        "intra_deep_supervision": True,
        "dice_over": "batch",
    }
    (training,) = (o for o in method_options("ms_ensemble") if o.name == "training")
    assert (training.type, training.default) == ("separate or joint", "separate")
