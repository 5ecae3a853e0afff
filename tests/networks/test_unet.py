import pytest
import torch
from monai.networks.nets import DynUNet
from torch import nn

from remodal.networks.unet import ConvBlock, UNet, convolve_parts, plan_layout

NNUNET_STRIDES = [(2, 2, 2)] * 5
SMALL = plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)])


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def block(inputs, outputs):
    return (27 * inputs + 1) * outputs + 2 * outputs


@pytest.mark.parametrize(
    ("base", "widths", "published"),
    [
        (32, (32, 64, 128, 256, 320, 320), 31.19e6),
        (16, (16, 32, 64, 128, 256, 320), 16.59e6),
    ],
)
def test_the_unet_has_the_parameters_of_nnunet(base, widths, published):
    with torch.device("meta"):
        unet = UNet(1, 2, plan_layout(base, 320, NNUNET_STRIDES))
    a, b, c, d, e, f = widths
    down = sum(block(i, o) + block(o, o) for i, o in zip((1, a, b, c, d, e), widths))
    up = sum(8 * below * own for below, own in ((b, a), (c, b), (d, c), (e, d), (f, e)))
    decoder = sum(block(2 * own, own) + block(own, own) for own in (a, b, c, d, e))
    heads = 2 * (a + b + c + d + e)
    assert parameters(unet) == down + up + decoder + heads
    assert parameters(unet) == pytest.approx(published, rel=3e-4)


def test_the_parameters_of_the_published_network_written_out():
    with torch.device("meta"):
        unet = UNet(1, 2, plan_layout(32, 320, NNUNET_STRIDES))
    encoder = [28_704, 166_272, 664_320, 2_655_744, 4_978_560, 5_531_520]
    decoder = [83_136 + 16_384, 332_160 + 65_536, 1_327_872 + 262_144, 5_309_952 + 655_360]
    decoder.append(8_296_320 + 819_200)
    assert [parameters(stage) for stage in unet.encoder.stages] == encoder
    assert parameters(unet.decoder) == sum(decoder)
    assert parameters(unet) == sum(encoder) + sum(decoder) + 1_600 == 31_194_784


@pytest.mark.parametrize(
    ("strides", "base", "counted"),
    [
        (NNUNET_STRIDES, 32, 31_195_594),
        (NNUNET_STRIDES, 16, 16_592_970),
        ([(1, 2, 2), (1, 2, 2), *NNUNET_STRIDES[2:]], 32, 30_748_554),
        ([(1, 2, 2), (1, 2, 2), *NNUNET_STRIDES[2:]], 16, 16_481_066),
    ],
)
def test_the_unet_of_nnunet_v2_has_its_parameters(strides, base, counted):
    """Counted in dynamic-network-architectures 0.3.1, PlainConvUNet, one image and two classes."""
    layout = plan_layout(base, 320, strides, anisotropic=True, version="v2")
    with torch.device("meta"):
        assert parameters(UNet(1, 2, layout)) == counted


def test_the_versions_of_nnunet_differ_in_biases_and_decoder_kernels():
    strides = [(1, 2, 2), (2, 2, 2)]
    v1, v2 = (UNet(1, 2, plan_layout(4, 8, strides, True, version)) for version in ("v1", "v2"))
    assert set(v2.state_dict()) - set(v1.state_dict()) == {
        f"{part}.{level}.bias" for part in ("decoder.up", "heads") for level in (0, 1)
    }
    kernels = [unet.decoder.stages[0].first.conv.kernel_size for unet in (v1, v2)]
    assert kernels == [(3, 3, 3), (1, 3, 3)]


def as_dyn_unet(unet, layout, inputs, outputs):
    """MONAI's re-implementation of nnU-Net with the same weights."""
    peer = DynUNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=layout.kernels,
        strides=((1, 1, 1), *layout.strides),
        upsample_kernel_size=layout.strides,
        filters=layout.widths,
        norm_name=("INSTANCE", {"affine": True}),
        act_name=("leakyrelu", {"negative_slope": 0.01}),
    )
    theirs = [peer.input_block, *peer.downsamples, peer.bottleneck]
    theirs += [level.conv_block for level in reversed(peer.upsamples)]
    for stage, other in zip([*unet.encoder.stages, *unet.decoder.stages], theirs, strict=True):
        for own, conv, norm in (
            (stage.first, other.conv1, other.norm1),
            (stage.second, other.conv2, other.norm2),
        ):
            conv.conv.weight.data = own.conv.weight.data
            norm.load_state_dict(own.norm.state_dict())
    for own, level in zip(unet.decoder.up, reversed(peer.upsamples)):
        level.transp_conv.conv.weight.data = own.weight.data
    peer.output_block.conv.conv.weight.data = unet.heads[0].weight.data
    nn.init.zeros_(peer.output_block.conv.conv.bias)
    return peer


@pytest.mark.parametrize("anisotropic", [False, True])
def test_the_unet_computes_what_monai_does_with_the_same_weights(anisotropic):
    torch.manual_seed(0)
    layout = plan_layout(4, 12, [(1, 2, 2), (2, 2, 2), (2, 2, 2)], anisotropic)
    unet = UNet(2, 3, layout)
    for name, parameter in unet.named_parameters():
        if "norm" in name:
            nn.init.normal_(parameter)
    image = torch.randn(2, 2, 8, 16, 16)
    (logits,) = unet(image)
    torch.testing.assert_close(logits, as_dyn_unet(unet, layout, 2, 3)(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_memory_format_changes_nothing_but_speed(channels_last):
    torch.manual_seed(0)
    unet = UNet(1, 2, SMALL).double()
    image = torch.randn(2, 1, 8, 16, 16, dtype=torch.float64)
    expected = unet(image, 2)
    if channels_last:
        unet = unet.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(unet(image, 2), expected)


def test_every_asked_level_and_no_other_is_classified():
    unet = UNet(1, 3, SMALL)
    called = []
    for level, head in enumerate(unet.heads):
        head.register_forward_hook(lambda *_, level=level: called.append(level))
    image = torch.randn(1, 1, 8, 16, 16)
    assert [tuple(out.shape) for out in unet(image, 2)] == [(1, 3, 8, 16, 16), (1, 3, 8, 8, 8)]
    assert called == [0, 1]
    called.clear()
    assert len(unet(image)) == 1
    assert called == [0]


def test_features_have_the_base_width_at_full_resolution():
    full, lower = UNet(1, 2, SMALL).features(torch.randn(1, 1, 8, 16, 16))
    assert full.shape == (1, 4, 8, 16, 16)
    assert lower.shape == (1, 8, 8, 8, 8)


def test_heads_that_nothing_trains_are_frozen():
    unet = UNet(1, 2, SMALL)
    unet.heads.train_only(1)
    assert [head.weight.requires_grad for head in unet.heads] == [True, False]


def test_widths_double_up_to_the_cap():
    assert plan_layout(32, 320, NNUNET_STRIDES).widths == (32, 64, 128, 256, 320, 320)
    assert plan_layout(8, 64, [(2, 2, 2)] * 2).widths == (8, 16, 32)


def test_the_factor_is_what_a_patch_must_be_a_multiple_of():
    assert plan_layout(4, 8, [(1, 2, 2), (2, 2, 2), (2, 2, 2)]).factor == (4, 8, 8)


def test_kernels_are_cubes_unless_asked_for_otherwise():
    assert set(plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)]).kernels) == {(3, 3, 3)}


@pytest.mark.parametrize(
    ("strides", "kernels"),
    [
        # nnU-Net's plan for 5 x 0.6 x 0.6 mm: z is within a factor of 2 after three halvings.
        (
            [(1, 2, 2), (1, 2, 2), (1, 2, 2), (2, 2, 2)],
            [(1, 3, 3), (1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)],
        ),
        # An axis that runs out of voxels first keeps its kernel.
        ([(2, 2, 2), (1, 2, 2)], [(3, 3, 3)] * 3),
    ],
)
def test_anisotropic_kernels_follow_the_strides(strides, kernels):
    assert list(plan_layout(4, 8, strides, anisotropic=True).kernels) == kernels


@pytest.mark.parametrize("sizes", [(5,), (2, 3), (1, 2, 2)])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_convolving_in_parts_equals_convolving_the_concatenation(sizes, kernel, stride):
    torch.manual_seed(0)
    conv = nn.Conv3d(5, 4, kernel, stride, kernel // 2).double()
    parts = [torch.randn(2, size, 4, 6, 6, dtype=torch.float64) for size in sizes]
    inputs = [part.requires_grad_() for part in parts]
    whole, in_parts = conv(torch.cat(parts, 1)), convolve_parts(conv, parts)
    torch.testing.assert_close(in_parts, whole)
    weights = torch.randn_like(whole)
    wanted = [*inputs, *conv.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((in_parts * weights).sum(), wanted),
        torch.autograd.grad((whole * weights).sum(), wanted),
    )


def test_a_block_normalises_and_then_leaks():
    torch.manual_seed(0)
    out = ConvBlock(1, 3, (3, 3, 3))(torch.randn(2, 1, 8, 8, 8))
    before = torch.where(out < 0, out / 0.01, out)
    torch.testing.assert_close(before.mean((2, 3, 4)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        before.var((2, 3, 4), correction=0), torch.ones(2, 3), atol=1e-3, rtol=0
    )


def test_weights_start_he_normal_and_biases_at_zero():
    torch.manual_seed(0)
    unet = UNet(1, 2, plan_layout(32, 64, [(2, 2, 2)]))
    for conv in (m for m in unet.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)):
        fan_in = conv.weight[0].numel()
        expected = (2 / (1 + 0.01**2) / fan_in) ** 0.5
        spread = 4 / conv.weight.numel() ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=spread)
        assert conv.bias is None or not conv.bias.any()
