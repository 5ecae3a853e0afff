import pytest
import torch
from torch.nn.functional import cross_entropy

from remodal.networks.discriminators import MapDiscriminator, MapImageDiscriminator
from remodal.objectives.adversarial import verdict_loss


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: MapImageDiscriminator(1, 1, 64), 11_020_290),
        (lambda: MapImageDiscriminator(2, 1, 64), 11_024_386),
        (lambda: MapDiscriminator(1, 64), 2_642_369),
        (lambda: MapDiscriminator(2, 64), 2_646_465),
    ],
)
def test_the_number_of_parameters_is_that_of_the_released_network(make, count):
    with torch.device("meta"):
        assert parameters(make()) == count


@pytest.mark.parametrize("shape", [(16, 32, 48), (8, 8, 8), (1, 20, 20)])
def test_every_patch_is_judged_however_small(shape):
    torch.manual_seed(0)
    map, image = torch.randn(2, 2, 1, *shape)
    assert MapImageDiscriminator(1, 1, 4)(map, image).shape == (2,)
    places = tuple(max(size, 16) // 16 for size in shape)
    assert MapDiscriminator(1, 4)(map).shape == (2, 1, *places)


def test_the_average_is_over_all_that_is_left_of_a_patch():
    """With the repository's patch and pooling window it is the repository's."""
    torch.manual_seed(0)
    judge = MapImageDiscriminator(1, 1, 2).eval()
    map, image = torch.randn(2, 2, 1, 112, 112, 80)
    left = []
    judge.convolutions[-1].register_forward_hook(lambda *parts: left.append(parts[-1]))
    odds = judge(map, image)
    assert left[0].shape == (2, 16, 7, 7, 5)
    active = torch.nn.functional.leaky_relu(left[0], 0.2)
    pooled = torch.nn.functional.avg_pool3d(active, (7, 7, 5)).flatten(1)
    logits = judge.classifier(pooled)
    labelled = torch.tensor([True, False])
    torch.testing.assert_close(odds, logits[:, 1] - logits[:, 0])
    torch.testing.assert_close(verdict_loss(odds, labelled), cross_entropy(logits, labelled.long()))


def test_features_are_those_of_the_last_convolution_but_one():
    torch.manual_seed(0)
    judge, map = MapDiscriminator(1, 4), torch.randn(2, 1, 32, 16, 48)
    seen = []
    judge.convolutions[-2].register_forward_hook(lambda *parts: seen.append(parts[-1]))
    features = judge.features(map)
    assert torch.equal(features, seen[0])
    assert features.shape == (2, 16, 4, 2, 6)
    assert torch.equal(judge.judged(features), judge(map))


@pytest.mark.parametrize("judge", [MapImageDiscriminator(1, 1, 2), MapDiscriminator(1, 2)])
def test_no_sample_gives_no_verdict(judge):
    nothing = torch.zeros(0, 1, 16, 16, 16, requires_grad=True)
    odds = judge(nothing, nothing) if isinstance(judge, MapImageDiscriminator) else judge(nothing)
    loss = verdict_loss(odds, torch.zeros(0, dtype=torch.bool))
    loss.backward()
    assert loss == 0
