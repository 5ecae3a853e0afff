import torch
from torch import nn

from remodal.networks.hved import UHved
from remodal.networks.unet import plan_layout

SMALL = plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)])


def test_log_variances_are_bounded_and_means_are_not():
    torch.manual_seed(0)
    net = UHved(2, 2, SMALL)
    nn.init.constant_(net.encoders[0].blocks[0].second.weight, 1e4)
    ((mean, log_variance), *_), _ = net.encode([torch.randn(1, 1, 4, 8, 8)] * 2)
    assert mean.abs().max() > 1000
    assert log_variance.abs().max() == 50
    assert net.encode([None, torch.randn(1, 1, 4, 8, 8)])[0][0][0].shape == (1, 2, 4, 8, 8)
