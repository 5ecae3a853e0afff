import torch
import torch.nn.functional as F
from torch import nn

from remodal.networks.hemis import (
    HemisDecoder,
    HemisEncoder,
    PreNormBlock,
    UHemis,
    mean_and_variance,
)
from remodal.networks.hved import UHved
from remodal.networks.unet import plan_layout

PUBLISHED = plan_layout(8, 64, [(2, 2, 2)] * 3)
SMALL = plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)])


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_fusion_is_the_mean_and_the_population_variance_by_hand():
    """Of 1, 3 and 8: mean 4, variance (9 + 1 + 16) / 3."""
    features = [torch.full((1, 2, 1, 1, 1), value) for value in (1.0, 3.0, 8.0)]
    expected = torch.tensor([4.0, 4.0, 26 / 3, 26 / 3])
    torch.testing.assert_close(mean_and_variance(features).flatten(), expected)


def test_a_single_modality_has_no_variance_and_its_gradient_is_finite():
    feature = torch.randn(1, 2, 2, 2, 2, requires_grad=True)
    mean, variance = mean_and_variance([feature]).split(2, dim=1)
    assert torch.equal(mean, feature)
    assert not variance.any()
    (gradient,) = torch.autograd.grad((variance + mean).sum(), feature)
    assert torch.equal(gradient, torch.ones_like(feature))


def test_the_fusion_is_that_of_torch():
    features = torch.randn(4, 2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([features.mean(0), features.var(0, unbiased=False)], 1)
    torch.testing.assert_close(mean_and_variance(list(features)), expected)


def test_a_block_is_twice_norm_activation_and_convolution():
    torch.manual_seed(0)
    block = PreNormBlock([2, 3], 6, 4, (3, 3, 3))
    parts = [torch.randn(2, width, 4, 5, 6) for width in (2, 3)]
    flow = torch.cat(parts, 1)
    for conv in (block.first, block.second):
        flow = conv(F.leaky_relu(F.instance_norm(flow), 0.01))
    torch.testing.assert_close(block(*parts), flow, atol=1e-5, rtol=1e-5)


def test_the_published_channels():
    """Of the released U-HeMIS and U-HVED, n = 8: fused features of 8 to 64 and of 4 to 32."""
    with torch.device("meta"):
        hemis, hved = UHemis(4, 4, PUBLISHED), UHved(4, 4, PUBLISHED)
    inputs = {
        net: [block.first.in_channels for block in net.decoder.blocks] for net in (hemis, hved)
    }
    assert inputs == {hemis: [8 + 8, 16 + 16, 64 + 32], hved: [8 + 4, 16 + 8, 32 + 16]}
    assert [block.second.out_channels for block in hemis.encoders[0].blocks] == [4, 8, 16, 32]
    assert [block.second.out_channels for block in hved.encoders[0].blocks] == [8, 16, 32, 64]
    assert not any(conv.bias is not None for conv in hemis.modules() if isinstance(conv, nn.Conv3d))


def test_the_number_of_parameters_is_that_of_the_released_layers():
    """Weights of the convolutions, and a scale and an offset for each normalised channel."""

    def block(inputs, middle, outputs):
        return 27 * (inputs * middle + middle * outputs) + 2 * (inputs + middle)

    encoder = 8 + block(8, 8, 4) + block(4, 16, 8) + block(8, 32, 16) + block(16, 64, 32)
    decoder = block(64 + 32, 32, 16) + block(16 + 16, 16, 8) + block(8 + 8, 8, 4) + 4 * 4
    variational = 8 + block(8, 8, 8) + block(8, 16, 16) + block(16, 32, 32) + block(32, 64, 64)
    segmenter = block(32 + 16, 32, 16) + block(16 + 8, 16, 8) + block(8 + 4, 8, 4) + 4 * 4
    with torch.device("meta"):
        assert parameters(UHemis(4, 4, PUBLISHED)) == 4 * encoder + decoder == 565888
        assert parameters(UHved(4, 4, PUBLISHED)) == 4 * variational + segmenter


def test_the_way_down_and_the_way_up_written_out():
    """Blocks between max-pooling, and between linear resizing and the skips."""
    torch.manual_seed(0)
    encoder, decoder = HemisEncoder(SMALL, [2, 4, 4]), HemisDecoder(3, SMALL, [4, 8, 8])
    image = torch.randn(2, 1, 4, 8, 8)
    one, two, three = encoder.blocks
    first = one(F.leaky_relu(encoder.stem(image), 0.01))
    second = two(F.max_pool3d(first, (1, 2, 2)))
    third = three(F.max_pool3d(second, (2, 2, 2)))
    for found, expected in zip(encoder(image), (first, second, third), strict=True):
        torch.testing.assert_close(found, expected)
    skips = [torch.randn(2, width, *size) for width, size in [(4, (4, 8, 8)), (8, (4, 4, 4))]]
    deepest = torch.randn(2, 8, 2, 2, 2)
    upper, lower = decoder.blocks
    flow = lower(F.interpolate(deepest, (4, 4, 4), mode="trilinear"), skips[1])
    flow = upper(F.interpolate(flow, (4, 8, 8), mode="trilinear"), skips[0])
    torch.testing.assert_close(decoder([*skips, deepest]), decoder.head(flow))


def test_both_modalities_features_are_fused_at_every_scale():
    torch.manual_seed(0)
    net = UHemis(3, 2, SMALL)
    images = [torch.randn(1, 1, 4, 8, 8), None, torch.randn(1, 1, 4, 8, 8)]
    of_first, of_last = net.encoders[0](images[0]), net.encoders[2](images[2])
    fused = [
        torch.cat([(one + other) / 2, (one - other).square() / 4], 1)
        for one, other in zip(of_first, of_last, strict=True)
    ]
    torch.testing.assert_close(net(images), net.decoder(fused))


def test_the_decoder_returns_to_the_images_resolution_whatever_the_strides():
    torch.manual_seed(0)
    decoder = HemisDecoder(3, SMALL, [4, 8, 8])
    skips = [torch.randn(1, width, *size) for width, size in [(4, (5, 9, 7)), (8, (5, 4, 3))]]
    assert decoder([*skips, torch.randn(1, 8, 2, 2, 1)]).shape == (1, 3, 5, 9, 7)
