import pytest
import torch
from torch import nn

from remodal.networks.fcn import CONNECTED, MCFCN, Branch, Trunk
from remodal.networks.slices import resized

STRIDES = [(2, 2)] * 5
WIDTH = 2


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def net():
    torch.manual_seed(0)
    return MCFCN(2, 3, WIDTH, STRIDES).eval()


def vgg16(width=WIDTH, batch_norm=False):
    """Weights as torchvision names them: at its width of 64, a classifier of 25,088 inputs."""
    torch.manual_seed(1)
    layers, inputs = [], 3
    for multiples in ([1, 1], [2, 2], [4] * 3, [8] * 3, [8] * 3):
        for multiple in multiples:
            layers.append(nn.Conv2d(inputs, multiple * width, 3))
            inputs = multiple * width
            layers += [nn.BatchNorm2d(inputs)] if batch_norm else []
            layers.append(nn.ReLU())
        layers.append(nn.MaxPool2d(2))
    connected = CONNECTED * width
    classifier = [nn.Linear(49 * inputs, connected), nn.ReLU(), nn.Dropout()]
    classifier += [
        nn.Linear(connected, connected),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(connected, 5),
    ]
    parts = {"features": nn.Sequential(*layers), "classifier": nn.Sequential(*classifier)}
    return nn.ModuleDict(parts)


def test_the_branch_has_the_published_number_of_weights():
    with torch.device("meta"):
        branch, normed = Branch(64, STRIDES, False, 0.5), Trunk(64, STRIDES, True)
    assert parameters(branch.trunk) == 14_714_688
    assert parameters(normed) == 14_723_136
    # VGG16 without the layer that tells 1,000 classes apart.
    assert parameters(branch) == 138_357_544 - 4_097_000


def test_a_study_with_fewer_strides_has_fewer_stages():
    assert len(Branch(WIDTH, STRIDES[:3], False, 0.5).trunk) == 3
    assert MCFCN(1, 2, WIDTH, STRIDES[:1])([torch.randn(1, 3, 4, 6)]).shape == (1, 2, 4, 6)


def test_three_resolutions_of_all_phases_are_classified_and_added_up(net):
    images = list(torch.randn(2, 1, 3, 64, 96))
    coarse, middle, fine = (
        score(torch.cat(parts, 1))
        for score, *parts in zip(net.scores, *(b(i) for b, i in zip(net.branches, images)))
    )
    assert [tuple(s.shape[2:]) for s in (coarse, middle, fine)] == [(2, 3), (4, 6), (8, 12)]
    summed = fine + resized(middle + resized(coarse, (4, 6)), (8, 12))
    torch.testing.assert_close(net(images), resized(summed, (64, 96)))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_branch_starts_from_torchvision_s_weights(batch_norm):
    peer = vgg16(batch_norm=batch_norm).eval()
    branch = Branch(WIDTH, STRIDES, batch_norm, 0.5).eval()
    given = sorted(peer.state_dict().items())  # as a .safetensors file orders them
    branch.take_over(dict(given))
    # Padding keeps the resolution, so that only the middle of a large image is as without it.
    for layer in peer["features"]:
        if isinstance(layer, nn.Conv2d):
            layer.padding = (1, 1)
    image = torch.randn(1, 3, 32 * 7, 32 * 7)
    found = branch(image)[0][:, :, 3, 3]
    expected = peer["classifier"][:5](peer["features"](image).flatten(1))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("spoilt", ["size", "layer"])
def test_other_weights_are_refused(spoilt):
    given = vgg16(2 * WIDTH if spoilt == "size" else WIDTH).state_dict()
    if spoilt == "layer":
        given = {name: value for name, value in given.items() if not name.startswith("features.0")}
    with pytest.raises((RuntimeError, ValueError)):
        Branch(WIDTH, STRIDES, False, 0.5).take_over(given)
