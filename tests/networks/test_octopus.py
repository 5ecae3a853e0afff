import torch

from remodal.networks.octopus import OctopusNet
from remodal.networks.unet import Encoder, UNet, plan_layout

LAYOUT = plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)])


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_an_encoder_a_modality_and_one_decoder():
    layout = plan_layout(32, 320, [(2, 2, 2)] * 5)
    with torch.device("meta"):
        octopus, unet = OctopusNet(3, 2, layout), UNet(1, 2, layout)
        encoder = Encoder(1, layout)
    fusions = sum((3 * width + 1) * width for width in layout.widths)
    assert parameters(octopus) == parameters(unet) + 2 * parameters(encoder) + fusions


def test_logits_of_the_asked_levels_depend_on_every_image():
    torch.manual_seed(0)
    octopus = OctopusNet(2, 3, LAYOUT)
    images = [image.requires_grad_() for image in torch.randn(2, 1, 1, 8, 16, 16)]
    full, half = octopus(images, levels=2)
    assert full.shape == (1, 3, 8, 16, 16)
    assert half.shape == (1, 3, 8, 8, 8)
    for gradient in torch.autograd.grad(full.square().sum(), images):
        assert gradient.abs().sum() > 0


def test_each_scale_is_fused_by_a_convolution_of_all_encoders_features():
    torch.manual_seed(0)
    octopus = OctopusNet(2, 3, LAYOUT)
    images = list(torch.randn(2, 1, 1, 8, 16, 16))
    features = [encoder(image) for encoder, image in zip(octopus.encoders, images)]
    fused = [fusion(torch.cat(parts, 1)) for fusion, parts in zip(octopus.fusions, zip(*features))]
    expected = octopus.heads[0](octopus.decoder(fused)[0])
    torch.testing.assert_close(octopus(images)[0], expected)
