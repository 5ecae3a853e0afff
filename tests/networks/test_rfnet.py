import pytest
import torch

from remodal.networks.residual_encoder import SeparateDecoder
from remodal.networks.rfnet import ProbabilityMap, RegionAwareFusion, RFNet
from remodal.networks.unet import plan_layout

SMALL = plan_layout(2, 8, [(1, 2, 2), (2, 2, 2)])
PUBLISHED = plan_layout(16, 128, [(2, 2, 2)] * 3)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def features(count=3, width=4):
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(count, 2, width, 4, 6, 6, generator=generator))


def test_the_number_of_parameters_is_that_of_the_released_network():
    """8.40 M at inference; 8.98 M with the decoder that only the training needs."""
    with torch.device("meta"):
        net, separate = RFNet(4, 4, PUBLISHED), SeparateDecoder(4, PUBLISHED)
    assert parameters(net) == 8_398_572
    assert parameters(net) + parameters(separate) == pytest.approx(8.98e6, rel=1e-3)


def test_a_region_weighs_the_averages_of_the_features_under_it():
    torch.manual_seed(0)
    fusion = RegionAwareFusion(3, 2, 4, 8)
    one, two, three = features()
    region = torch.rand(2, 1, 4, 6, 6)
    share = region.mean((2, 3, 4))
    averages = [
        (part * region).mean((2, 3, 4)) / share for part in (one, torch.zeros_like(two), three)
    ]
    weights = fusion.weights[0](torch.stack(averages, 1), share)
    assert 0 < weights.min() < weights.max() < 1
    shape = (2, 1, 1, 1, 1)
    expected = (one * weights[:, 0].view(shape) + three * weights[:, 2].view(shape)) * region
    found = fusion._in_region(fusion.weights[0], [one, None, three], region)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_map_is_a_distribution_at_every_voxel():
    torch.manual_seed(0)
    probable = ProbabilityMap(3, 5, 4, 2, guided=True)(features(), features()[0])
    torch.testing.assert_close(probable.sum(1), torch.ones(2, 4, 6, 6))


def test_every_stage_is_fused_under_its_map_and_joined_with_what_comes_up():
    torch.manual_seed(0)
    net = RFNet(3, 2, SMALL)
    encoded = net.encode([torch.randn(1, 1, 4, 8, 8), None, torch.randn(1, 1, 4, 8, 8)])
    stages = [[None if one is None else one[stage] for one in encoded] for stage in range(3)]
    probable = net.maps[2](stages[2], None)
    flow, maps = net.fusions[2](stages[2], probable), [probable]
    for stage in (1, 0):
        raised = net.steps[stage].up(flow, stages[stage][0].shape[2:])
        probable = net.maps[stage](stages[stage], raised)
        flow = net.steps[stage](net.fusions[stage](stages[stage], probable), raised)
        maps.insert(0, probable)
    logits, found = net.decode(encoded)
    torch.testing.assert_close(logits, net.head(flow))
    for one, wished in zip(found, maps, strict=True):
        size = logits.shape[2:]
        wished = torch.nn.functional.interpolate(wished, size, mode="trilinear", align_corners=True)
        torch.testing.assert_close(one, wished)


def test_the_fused_prediction_trains_no_map():
    torch.manual_seed(0)
    net = RFNet(2, 3, SMALL)
    images = list(torch.randn(2, 1, 1, 8, 16, 16))
    logits, maps = net.decode(net.encode(images))
    assert [tuple(each.shape) for each in (logits, *maps)] == [(1, 3, 8, 16, 16)] * 4
    logits.square().sum().backward()
    assert all(p.grad is None for p in net.maps[0].parameters())
    assert all(p.grad is not None for p in net.fusions.parameters())
