import pytest
import torch
import torch.nn.functional as F

from remodal.errors import UserError
from remodal.inference.sliding_window import sliding_window
from remodal.methods import build_method
from remodal.networks.slice_backbones import ResNet
from remodal.networks.slices import as_volumes
from remodal.settings import NetworkSettings

from .conftest import FIRST, PHASES

CONTEXT = (1, 0, 0)
SMALL = NetworkSettings(base_width=2, strides=[(1, 2, 2)])
NAMED = ["certainty_initial", "certainty_refined", "answer_initial", "answer_refined"]
OF_FEATURES = ["sam", "add", "weights", "phase_attention"]


@pytest.fixture
def small():
    """A U-Net in evaluation mode: `small(fusion, modalities, **options)`, from the same seed."""

    def build(fusion, modalities=PHASES, **options):
        chosen = {"fusion": fusion, "backbone": "unet"} | options
        torch.manual_seed(0)
        method = build_method("sam_urim", modalities, 1, SMALL, chosen)
        method.network.eval()
        return method

    return build


def same_but_for_fusion(method, other):
    """Give one network the other's weights outside its fusions."""
    own = {key: value for key, value in other.network.state_dict().items() if "fusions" not in key}
    method.network.load_state_dict(own, strict=False)


def images_of(modalities=PHASES, slices=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(1, 1, slices, 32, 32, generator=generator) for name in modalities}


@pytest.mark.parametrize("exchange", [True, False])
def test_with_weights_of_1_trained_weights_and_phase_attention_are_addition(small, exchange):
    images, expected = images_of(), None
    added = small("add", exchange=exchange)
    expected = added.probabilities(images)
    for fusion in ("weights", "phase_attention"):
        method = small(fusion, exchange=exchange)
        same_but_for_fusion(method, added)
        if fusion == "weights":
            for module in method.network.streams.fusions:
                torch.nn.init.ones_(module.weights)
        torch.testing.assert_close(method.probabilities(images), expected)


def test_with_equal_scores_sam_is_trained_weights_of_one_half(small):
    halved, sam = small("weights"), small("sam")
    same_but_for_fusion(sam, halved)
    for module in sam.network.streams.fusions:
        for mapping in module.mappings:
            torch.nn.init.zeros_(mapping.joined.weight)
            torch.nn.init.zeros_(mapping.joined.bias)
    images = images_of()
    torch.testing.assert_close(sam.probabilities(images), halved.probabilities(images))


def test_streams_that_start_equal_are_siamese(small):
    """Unshared streams with the shared weights give the same, until they are trained."""
    shared, apart = small("concat_output"), small("concat_output", shared=False)
    apart.network.head.load_state_dict(shared.network.head.state_dict())
    apart.network.region.load_state_dict(shared.network.region.state_dict())
    for part in ("streams.backbones", "decoders"):
        (only,) = shared.network.get_submodule(part)
        for module in apart.network.get_submodule(part):
            module.load_state_dict(only.state_dict())
    assert len(apart.network.decoders) == len(apart.network.streams.backbones) == 2
    images = images_of()
    torch.testing.assert_close(apart.probabilities(images), shared.probabilities(images))


def test_siamese_streams_take_no_notice_of_the_order_of_addends(small):
    method, images = small("add"), images_of()
    exchanged = {"arterial": images["venous"], "venous": images["arterial"]}
    torch.testing.assert_close(method.probabilities(exchanged), method.probabilities(images))


def test_fused_features_flow_back_as_half_of_the_next_block_s_input(small):
    method, seen = small("sam"), []
    streams = method.network.streams
    (backbone,) = streams.backbones
    fusion = streams.fusions[0]
    fusion.register_forward_hook(lambda _, inputs, output: seen.append((*inputs[0], output[0])))
    backbone.blocks[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    method.probabilities(images_of())
    (arterial, venous, fused), entered = seen
    torch.testing.assert_close(entered, torch.cat([arterial + fused, venous + fused]) / 2)


def test_the_loss_is_the_cross_entropy_of_both_answers(build, make_batch):
    method, batch = build("sam_urim", backbone="unet"), make_batch(context=CONTEXT)
    method.network.eval()
    answer = method.answer(batch.images)
    first, final = (
        F.cross_entropy(as_volumes(logits, 2), batch.label)
        for logits in (answer.initial, answer.final)
    )
    losses = method.objective(batch, FIRST)
    torch.testing.assert_close(losses["loss"], first + final)
    torch.testing.assert_close(losses["initial"], first.detach())
    alone = build("sam_urim", backbone="unet", uncertain_region=False)
    assert set(alone.objective(batch, FIRST)) == {"loss", "initial"}


@pytest.mark.parametrize("fusion", ["sam", "concat_input", "concat_output"])
def test_each_slice_is_predicted_from_three_with_zeros_beyond_the_borders(small, fusion):
    """Windows of a slice, in batches of any size, are slice by slice by hand."""
    method = small(fusion)
    image = torch.randn(2, 5, 32, 32, generator=torch.Generator().manual_seed(3))

    def predictor(patches):
        return method.probabilities(dict(zip(PHASES, patches.split(1, dim=1))))

    padded = F.pad(image, (0, 0, 0, 0, 1, 1))
    with torch.no_grad():
        alone = [predictor(padded[None, :, z : z + 3])[0, :, 0] for z in range(image.shape[1])]
        # The first slice has zeros below, and the last one above; a change there would be seen.
        assert not torch.allclose(predictor(image[None, :, [1, 0, 1]])[0, :, 0], alone[0])
    for windows in (1, 4):
        found = sliding_window(
            predictor, image, (1, 32, 32), context=CONTEXT, mirror=False, batch=windows
        )
        torch.testing.assert_close(found, torch.stack(alone, dim=1))
    deep = sliding_window(predictor, image, (5, 32, 32), context=CONTEXT, mirror=False)
    torch.testing.assert_close(deep, torch.stack(alone, dim=1))


@pytest.mark.parametrize("fusion", [*OF_FEATURES, "concat_input", "concat_output", "none"])
def test_every_fusion_takes_a_step(build, make_batch, fusion):
    modalities = ["venous"] if fusion == "none" else PHASES
    method = build("sam_urim", modalities, fusion=fusion, backbone="unet")
    optimiser = torch.optim.SGD(method.network.parameters(), lr=5e-4, momentum=0.9)
    before = [parameter.clone() for parameter in method.network.parameters()]
    method.objective(make_batch(modalities, context=CONTEXT), FIRST)["loss"].backward()
    optimiser.step()
    moved = [not torch.equal(*pair) for pair in zip(before, method.network.parameters())]
    # Gammas of 0 shield the attention, which has no weights of its own; LC-Conv's biases are
    # absorbed by batch norm, up to rounding.
    assert sum(moved) > 0.8 * len(moved)


def test_three_phases_are_fused_too(small):
    phases = ("arterial", "venous", "delayed")
    for fusion in OF_FEATURES:
        method = small(fusion, phases)
        images = images_of(phases)
        assert method.probabilities(images).shape == (1, 2, 2, 32, 32)
    maps = small("sam", phases).attention(images)
    torch.testing.assert_close(sum(maps[name] for name in phases), torch.ones(1, 1, 2, 32, 32))


def test_the_maps_are_sam_s_weights_the_growing_mask_and_both_answers(small):
    method, images = small("sam"), images_of()
    maps = method.attention(images)
    assert list(maps) == [*PHASES, *NAMED]
    torch.testing.assert_close(maps["arterial"] + maps["venous"], torch.ones(1, 1, 2, 32, 32))
    before, after = maps["certainty_initial"], maps["certainty_refined"]
    assert 0 <= before.min() <= after.max() <= 1
    assert (after >= before).all()
    answer = method.answer(images)
    for logits, name in ((answer.initial, "answer_initial"), (answer.final, "answer_refined")):
        expected = as_volumes(logits.softmax(1)[:, 1:], 1)
        torch.testing.assert_close(maps[name], expected)
    torch.testing.assert_close(maps["answer_refined"], method.probabilities(images)[:, 1:])
    assert small("add", uncertain_region=False).maps == []
    assert method.attention({"venous": images["venous"]}) == {}


@pytest.mark.parametrize(
    ("modalities", "fusion", "said"),
    [
        (PHASES, "none", r"`none` does not fit arterial \+ venous"),
        (["venous"], "sam", "`sam` does not fit venous"),
        (["venous"], "concat_input", "`concat_input` does not fit venous"),
    ],
)
def test_a_fusion_that_does_not_fit_the_modalities_is_named(small, modalities, fusion, said):
    with pytest.raises(UserError, match=said):
        small(fusion, modalities)


def test_an_unknown_target_is_named(small):
    with pytest.raises(UserError, match="there is no modality `portal`"):
        small("phase_attention", target="portal")


def torchvision_like():
    """Weights as a file of torchvision holds them, at a quarter of the published width."""
    torch.manual_seed(5)
    weights = ResNet(3, [4, 4, 8, 16, 32], grouped=True).state_dict()
    return weights | {"fc.weight": torch.randn(1000, 128), "fc.bias": torch.randn(1000)}


@pytest.mark.parametrize("shared", [True, False])
def test_every_stream_starts_from_a_backbone_s_weights(small, shared):
    method, weights = small("sam", backbone="resnext50", shared=shared), torchvision_like()
    method.load(weights)
    assert len(method.network.streams.backbones) == (1 if shared else 2)
    for backbone in method.network.streams.backbones:
        for name, value in backbone.state_dict().items():
            assert torch.equal(value, weights[name])


def test_joined_images_share_the_first_convolution(small):
    method, weights = small("concat_input", backbone="resnext50"), torchvision_like()
    method.load(weights)
    (backbone,) = method.network.streams.backbones
    assert torch.equal(backbone.conv1.weight[:, 3:], weights["conv1.weight"] / 2)


def test_a_whole_network_starts_from_its_own_weights(small):
    method, other = small("sam"), small("sam")
    torch.nn.init.ones_(other.network.head.weight)
    method.load(other.network.state_dict())
    assert method.network.head.weight.min() == 1
    with pytest.raises(RuntimeError, match="Missing key"):
        method.load(torchvision_like())


def test_a_patch_is_a_multiple_of_32_whatever_the_study_s_strides(small):
    assert small("sam").patch_multiple(SMALL) == (1, 32, 32)
