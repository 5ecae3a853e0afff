import torch
from torch import nn

from remodal.networks.input_kernels import shared_among_inputs


def network(inputs):
    return nn.Sequential(nn.Conv3d(inputs, 4, 3, padding=1), nn.Conv3d(4, 1, 1))


def test_equal_images_are_seen_as_the_one_image_was():
    torch.manual_seed(0)
    one, two = network(1), network(2)
    two.load_state_dict(shared_among_inputs(one.state_dict(), two))
    assert torch.equal(two[0].weight[:, :1], one[0].weight / 2)
    assert torch.equal(two[0].weight[:, :1], two[0].weight[:, 1:])
    image = torch.randn(1, 1, 4, 4, 4)
    torch.testing.assert_close(two(image.expand(-1, 2, -1, -1, -1)), one(image))


def test_all_other_weights_stay_as_they_are():
    weights = {
        **network(2).state_dict(),
        "1.weight": torch.ones(2, 1, 1, 1, 1),  # of other outputs
        "unknown": torch.ones(3),
    }
    found = shared_among_inputs(weights, network(2))
    assert list(found) == list(weights)
    assert all(found[name] is weight for name, weight in weights.items())
