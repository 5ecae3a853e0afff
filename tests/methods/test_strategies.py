"""One input, two inputs, two outputs: images with a mask each, in fixed or exchanged roles."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.methods.bases.mask import drawn_first
from remodal.objectives.batch import UNLABELLED, Batch
from remodal.settings import NetworkSettings

from .conftest import FIRST

BOTH = ["t1", "t2"]
LOSS = binary_cross_entropy_with_logits


@pytest.fixture
def pair(make_batch):
    """A batch of two samples, each with two images and a label of its own for each."""

    def make(**labels):
        images = make_batch(BOTH).images
        generator = torch.Generator().manual_seed(1)
        own = {n: torch.randint(0, 2, (2, 8, 16, 16), generator=generator) for n in BOTH}
        return Batch(images, own | labels, torch.ones(2, dtype=torch.bool))

    return make


def exchanged(batch):
    """The batch with both images and both labels exchanged."""
    images, labels = batch.images, batch.labels
    return Batch(
        {"t1": images["t2"], "t2": images["t1"]},
        {"t1": labels["t2"], "t2": labels["t1"]},
        batch.labelled,
    )


def drawing(monkeypatch, *first):
    """Let the first image of each sample be these."""
    drawn = torch.tensor(first)[:, None]
    monkeypatch.setattr(torch, "multinomial", lambda weights, number: drawn)


def seen_by(method):
    """What the network is shown and gives, at each call."""
    calls = []
    method.network.register_forward_hook(lambda _, inputs, output: calls.append((*inputs, output)))
    return calls


def with_one_swapped(method, batch, monkeypatch):
    """Loss and logits of a batch in which the first sample's images are swapped when shown."""
    calls = seen_by(method)
    drawing(monkeypatch, 1, 0)
    loss = method.objective(batch, FIRST)["loss"]
    ((shown, logits),) = calls
    t1, t2 = (batch.images[name] for name in BOTH)
    assert torch.equal(shown, torch.stack([torch.cat([t2[0], t1[0]]), torch.cat([t1[1], t2[1]])]))
    return loss, logits


def mask(batch, image, sample=slice(None)):
    return batch.labels[image][sample, None].float()


@pytest.mark.parametrize("specialised", [True, False])
@pytest.mark.parametrize("kind", ["two_inputs", "two_outputs"])
def test_a_pair_is_two_images_exactly(build, kind, specialised):
    with pytest.raises(UserError, match="at least 2 modalities"):
        build(kind, ["t1"], specialised=specialised)
    with pytest.raises(UserError, match=r"t1 \+ t2 \+ t3.*two modalities"):
        build(kind, ["t1", "t2", "t3"], specialised=specialised)


@pytest.mark.parametrize("kind", ["one_input", "two_inputs", "two_outputs"])
def test_only_one_class_is_segmented(build, kind):
    with pytest.raises(UserError, match="segments one class, not 2"):
        build(kind, BOTH, classes=2)


@pytest.mark.parametrize("image", [0, 1])
def test_one_input_learns_from_the_image_that_is_drawn_and_its_own_mask(
    build, pair, monkeypatch, image
):
    method, batch = build("one_input", BOTH), pair()
    calls = seen_by(method)
    drawing(monkeypatch, image, 1 - image)
    loss = method.objective(batch, FIRST)["loss"]
    ((shown, logits),) = calls
    names = BOTH[image], BOTH[1 - image]
    assert torch.equal(shown, torch.cat([batch.images[n][i : i + 1] for i, n in enumerate(names)]))
    masks = torch.cat([mask(batch, n, slice(i, i + 1)) for i, n in enumerate(names)])
    torch.testing.assert_close(loss, LOSS(logits, masks))


def test_a_specialised_input_is_always_the_same_image(build, pair):
    method, batch = build("one_input", ["t2"]), pair()
    only = Batch({"t2": batch.images["t2"]}, {"t2": batch.labels["t2"]}, batch.labelled)
    loss = method.objective(only, FIRST)["loss"]
    torch.testing.assert_close(loss, LOSS(method.network(batch.images["t2"]), mask(batch, "t2")))


def test_at_prediction_one_input_sees_the_image_to_segment_alone(build, pair):
    method, images = build("one_input", BOTH), pair().images
    for target in BOTH:
        expected = method.network(images[target]).sigmoid()
        for given in (images, {target: images[target]}):
            found = method.probabilities_of(given, target)
            torch.testing.assert_close(found, torch.cat([1 - expected, expected], dim=1))
    with pytest.raises(UserError, match="cannot segment t2"):
        method.probabilities_of({"t1": images["t1"]}, "t2")


@pytest.mark.parametrize("target", BOTH)
def test_specialised_two_inputs_have_the_target_as_channel_0(build, pair, target):
    method, batch = build("two_inputs", BOTH, specialised=True, target=target), pair()
    other = BOTH[1 - BOTH.index(target)]
    logits = method.network(torch.cat([batch.images[target], batch.images[other]], dim=1))
    loss = method.objective(batch, FIRST)["loss"]
    torch.testing.assert_close(loss, LOSS(logits, mask(batch, target)))
    found = method.probabilities_of(batch.images, target)
    torch.testing.assert_close(found[:, 1:], logits.sigmoid())
    assert method.learnt_labels(BOTH) == [target]
    with pytest.raises(UserError, match=f"cannot segment {other}; expected {target}$"):
        method.probabilities_of(batch.images, other)


def test_a_target_is_an_image_of_a_specialised_network(build):
    with pytest.raises(UserError, match="no modality `ct`"):
        build("two_inputs", BOTH, specialised=True, target="ct")
    with pytest.raises(UserError, match="an unspecialised network segments either"):
        build("two_inputs", BOTH, target="t1")


def test_a_registered_image_is_a_modality_like_any_other(build, pair):
    method = build("two_inputs", ["t1_registered", "t2"], specialised=True, target="t2")
    batch = pair()
    images = {"t1_registered": batch.images["t1"], "t2": batch.images["t2"]}
    logits = method.network(torch.cat([images["t2"], images["t1_registered"]], dim=1))
    torch.testing.assert_close(method.probabilities_of(images, "t2")[:, 1:], logits.sigmoid())
    assert method.learnt_labels(["t1_registered", "t2"]) == ["t2"]


def test_unspecialised_two_inputs_have_the_drawn_image_and_its_mask_first(build, pair, monkeypatch):
    method, batch = build("two_inputs", BOTH), pair()
    loss, logits = with_one_swapped(method, batch, monkeypatch)
    masks = torch.cat([mask(batch, "t2", slice(0, 1)), mask(batch, "t1", slice(1, 2))])
    torch.testing.assert_close(loss, LOSS(logits, masks))


@pytest.mark.parametrize("target", BOTH)
def test_specialised_two_outputs_keep_the_order_and_give_each_image_its_own_mask(
    build, pair, target
):
    method, batch = build("two_outputs", BOTH, specialised=True), pair()
    logits = method.network(torch.cat([batch.images[name] for name in BOTH], dim=1))
    each = [LOSS(logits[:, n : n + 1], mask(batch, name)) for n, name in enumerate(BOTH)]
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], sum(each) / 2)
    own = logits[:, BOTH.index(target)].sigmoid()
    torch.testing.assert_close(method.probabilities_of(batch.images, target)[:, 1], own)


def test_unspecialised_two_outputs_swap_channels_and_masks_together(build, pair, monkeypatch):
    method, batch = build("two_outputs", BOTH), pair()
    loss, logits = with_one_swapped(method, batch, monkeypatch)
    first, second = ([mask(batch, n, slice(i, i + 1)) for n in BOTH] for i in range(2))
    masks = torch.cat([torch.cat(first[::-1], dim=1), torch.cat(second, dim=1)])
    torch.testing.assert_close(loss, LOSS(logits, masks))


def test_the_target_of_unspecialised_two_outputs_is_channel_0_and_output_0(build, pair):
    method, images = build("two_outputs", BOTH), pair().images
    logits = method.network(torch.cat([images["t2"], images["t1"]], dim=1))
    found = method.probabilities_of(images, "t2")
    torch.testing.assert_close(found[:, 1], logits[:, 0].sigmoid())


@pytest.mark.parametrize("kind", ["one_input", "two_inputs", "two_outputs"])
def test_an_unspecialised_method_does_not_know_which_image_is_which(build, pair, monkeypatch, kind):
    """With the images exchanged, and the draws with them, loss and prediction are the same."""
    method, batch = build(kind, BOTH), pair()
    drawing(monkeypatch, 0, 1)
    loss = method.objective(batch, FIRST)["loss"]
    drawing(monkeypatch, 1, 0)
    assert torch.equal(method.objective(exchanged(batch), FIRST)["loss"], loss)
    found = method.probabilities_of(batch.images, "t1")
    assert torch.equal(method.probabilities_of(exchanged(batch).images, "t2"), found)


def test_either_image_is_as_likely_to_be_drawn_for_each_sample_by_itself():
    torch.manual_seed(0)
    orders = drawn_first(torch.ones(4000, 2))
    assert torch.equal(orders.sort(dim=1).values, torch.tensor([[0, 1]]).expand(4000, 2))
    assert 0.45 < orders[:, 0].float().mean() < 0.55
    three = drawn_first(torch.tensor([[True, False, True]]).expand(300, 3))
    assert {tuple(order) for order in three.tolist()} == {(0, 1, 2), (2, 0, 1)}


@pytest.mark.parametrize(
    ("kind", "options", "will_do"),
    [
        ("one_input", {}, True),
        ("two_inputs", {}, True),
        ("two_inputs", {"specialised": True}, False),
        ("two_outputs", {}, False),
        ("two_outputs", {"specialised": True}, False),
    ],
)
def test_who_makes_do_with_the_label_of_one_image(build, pair, kind, options, will_do):
    method = build(kind, BOTH, **options)
    assert method.one_label_will_do is will_do
    if not will_do:
        return
    nothing = torch.full((2, 8, 16, 16), UNLABELLED)
    partly, calls = pair(t1=nothing), seen_by(method)
    for seed in range(4):
        torch.manual_seed(seed)
        method.objective(partly, FIRST)
    assert all(torch.equal(shown[:, :1], partly.images["t2"]) for shown, _ in calls)


def test_where_all_images_share_a_truth_it_is_that_of_each(build, make_batch):
    batch = make_batch()  # the venous label is that of both
    method = build("two_outputs", specialised=True)
    logits = method.network(torch.cat(method.in_order(batch.images), dim=1))
    expected = LOSS(logits, batch.label[:, None].expand(-1, 2, -1, -1, -1).float())
    torch.testing.assert_close(method.objective(batch, FIRST)["loss"], expected)
    assert build("two_inputs", specialised=True).learnt_labels(["venous"]) == ["venous"]
    one = build("one_input")
    each = [one.network(image).sigmoid() for image in batch.images.values()]
    torch.testing.assert_close(one.probabilities(batch.images)[:, 1:], sum(each) / 2)


def test_two_inputs_start_from_one_input(build, pair):
    one, two = build("one_input", BOTH), build("two_inputs", BOTH)
    two.start_from({"start": one})
    image = pair().images["t1"]
    found = two.network(torch.cat([image, image], dim=1))
    torch.testing.assert_close(found, one.network(image), rtol=1e-3, atol=1e-4)


def test_released_weights_are_loaded_but_for_the_head():
    settings = NetworkSettings(strides=[(2, 2, 2)] * 3)
    torch.manual_seed(0)
    method = build_method("two_inputs", BOTH, 1, settings)
    theirs = {}
    for name, weight in build_method("one_input", ["t1"], 1, settings).network.named_parameters():
        part, *rest = name.split(".")
        if part == "head":
            continue
        width = (64, 128, 256, 512)[int(rest[0])]
        block = "up_conv" if rest[1] == "up" else f"ops.{int('second' in rest)}"
        layer = {"conv": ".conv1", "norm": ".bn1"}.get(rest[-2], "")
        theirs[f"module.{part}_tr{width}.{block}{layer}.{rest[-1]}"] = weight.detach()
    head = method.network.head.weight.clone()
    method.load(theirs)
    assert torch.equal(method.network.head.weight, head)
    first = theirs["module.down_tr64.ops.0.conv1.weight"]
    assert torch.equal(method.network.down[0].first.conv.weight, torch.cat([first, first], 1) / 2)
    deepest = theirs["module.up_tr256.ops.1.bn1.bias"]
    assert torch.equal(method.network.up[2].stage.second.norm.bias, deepest)
    del theirs["module.up_tr256.ops.1.bn1.bias"]
    with pytest.raises(KeyError):
        method.load(theirs)
