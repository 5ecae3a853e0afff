import torch

from remodal.networks.mw_unet import MWUNet
from remodal.networks.unet import UNet

STRIDES = [(2, 2)] * 2


def test_the_features_are_summed_with_a_weight_of_each_phase_and_level():
    torch.manual_seed(0)
    net = MWUNet(2, 3, 4, STRIDES)
    assert net.weights.tolist() == [[0.5, 0.5]] * 3
    torch.nn.init.uniform_(net.weights)
    images = list(torch.randn(2, 1, 3, 8, 16))
    first, second = (encoder(x[:, :, None]) for encoder, x in zip(net.encoders, images))
    merged = [w[0] * a + w[1] * b for w, a, b in zip(net.weights, first, second)]
    expected = net.heads[0](net.decoder(merged)[0])[:, :, 0]
    torch.testing.assert_close(net(images), expected)
    assert expected.shape == (1, 3, 8, 16)


def test_with_one_phase_that_counts_it_is_a_unet_of_that_phase():
    torch.manual_seed(0)
    net = MWUNet(2, 2, 4, STRIDES)
    with torch.no_grad():
        net.weights.copy_(torch.tensor([[0.0, 1.0]] * 3))
    unet = UNet(3, 2, net.layout, heads=1)
    unet.encoder, unet.decoder, unet.heads = net.encoders[1], net.decoder, net.heads
    images = list(torch.randn(2, 2, 3, 16, 8))
    torch.testing.assert_close(net(images), unet(images[1][:, :, None])[0][:, :, 0])


def test_the_widths_are_those_of_unet_and_nothing_leaves_its_slice():
    with torch.device("meta"):
        net = MWUNet(2, 2, 64, [(2, 2)] * 4)
    assert net.layout.widths == (64, 128, 256, 512, 1024)
    assert all(kernel == (1, 3, 3) for kernel in net.layout.kernels)
    assert net.layout.factor == (1, 16, 16)
