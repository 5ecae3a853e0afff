import pytest
import torch
import torch.nn.functional as F

from remodal.networks.spatial_aggregation import (
    Mapping,
    SpatialAggregation,
    mean_and_maximum,
)


def features(phases=2, width=8):
    torch.manual_seed(0)
    return [torch.randn(2, width, 5, 6) for _ in range(phases)]


def sam(phases=2, **choices):
    torch.manual_seed(1)
    return SpatialAggregation(phases, 8, **choices)


@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("maps", ["both", "own"])
def test_the_weights_of_the_phases_add_up_to_1(phases, maps):
    weights = sam(phases, maps=maps).weights(features(phases))
    assert all(weight.shape == (2, 8, 5, 6) for weight in weights)
    torch.testing.assert_close(sum(weights), torch.ones(2, 8, 5, 6))


def test_the_aggregate_is_the_weighted_sum():
    module, parts = sam(), features()
    found, weights = module(parts)
    torch.testing.assert_close(found, weights[0] * parts[0] + weights[1] * parts[1])


def test_with_equal_scores_the_aggregate_is_the_mean():
    module, parts = sam(), features()
    for mapping in module.mappings:
        torch.nn.init.zeros_(mapping.joined.weight)
        torch.nn.init.zeros_(mapping.joined.bias)
    torch.testing.assert_close(module(parts)[0], (parts[0] + parts[1]) / 2)


def test_the_weights_by_hand():
    """Scores of parallel convolutions and of the mean, joined; then the softmax of two phases."""
    module, parts = sam().eval(), features()
    maps = torch.cat([mean_and_maximum(part) for part in parts], dim=1)
    assert maps.shape == (2, 4, 5, 6)
    torch.testing.assert_close(maps[:, 0], parts[0].mean(1))
    torch.testing.assert_close(maps[:, 3], parts[1].max(1).values)
    scores = []
    for mapping in module.mappings:
        branches = [
            F.conv2d(maps, mapping.branches[step][0].weight, padding=step + 1) for step in range(3)
        ]
        mean = F.conv2d(maps.mean((2, 3), keepdim=True), mapping.of_mean.weight)
        branches.append(F.interpolate(mean, (5, 6), mode="bilinear"))
        normed = torch.cat(branches, dim=1) / (1 + 1e-5) ** 0.5
        scores.append(F.conv2d(normed, mapping.joined.weight, mapping.joined.bias, padding=1))
    expected = torch.sigmoid(scores[0] - scores[1])
    torch.testing.assert_close(module.weights(parts)[0], expected)


@pytest.mark.parametrize(("maps", "alike"), [("own", True), ("both", False)])
def test_a_phase_sees_the_maps_of_both_or_its_own(maps, alike):
    parts, module, scores = features(), sam(maps=maps).eval(), []
    changed = [parts[0], parts[1] + 3 * torch.randn(2, 8, 5, 6)]
    module.mappings[0].register_forward_hook(lambda *of: scores.append(of[-1]))
    module.weights(parts)
    module.weights(changed)
    assert torch.equal(*scores) is alike


def test_a_sigmoid_before_the_softmax_confines_the_weights():
    module = sam(squashed=True)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(50)
    weights = torch.stack(module.weights(features()))
    assert weights.min() >= 0.2689
    assert weights.max() <= 0.7311
    assert weights.max() > 0.7


def test_each_branch_has_a_quarter_of_the_width():
    mapping = Mapping(4, 16, "parallel", squashed=False)
    shapes = [tuple(branch[0].weight.shape) for branch in mapping.branches]
    assert shapes == [(4, 4, 3, 3), (4, 4, 5, 5), (4, 4, 7, 7)]
    assert mapping.of_mean.weight.shape == (4, 4, 1, 1)
    assert mapping.joined.weight.shape == (16, 16, 3, 3)
    sequential = Mapping(4, 16, "sequential", squashed=False)
    assert sequential.of_mean.weight.shape == (4, 4, 7, 7)
    assert sequential.joined.weight.shape == (16, 12, 3, 3)


def test_one_sample_alone_can_be_trained():
    module = sam()
    found, _ = module([part[:1] for part in features()])
    found.sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
