import torch

from remodal.networks.ensemble import Ensemble
from remodal.networks.unet import plan_layout


def test_each_present_image_goes_through_its_own_unet():
    torch.manual_seed(0)
    ensemble = Ensemble(3, 2, plan_layout(4, 8, [(1, 2, 2), (2, 2, 2)]))
    first, third = torch.randn(2, 1, 1, 8, 16, 16)
    outputs = ensemble([first, None, third], levels=2)
    expected = [ensemble.models[0](first, 2), ensemble.models[2](third, 2)]
    torch.testing.assert_close(outputs, expected)
