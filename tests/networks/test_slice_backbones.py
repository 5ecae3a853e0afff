import pytest
import torch

from remodal.networks.slice_backbones import DEPTHS, ResNet, make_backbone

#: torchvision's, with the classifier of 1,000 classes.
PUBLISHED = {"resnet50": 25_557_032, "resnext50": 25_028_904}
CLASSIFIER = 2048 * 1000 + 1000


def published(name):
    with torch.device("meta"):
        return make_backbone(name, 3, 64)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_number_of_parameters_is_torchvision_s(name):
    count = sum(parameter.numel() for parameter in published(name).parameters())
    assert count + CLASSIFIER == PUBLISHED[name]


def test_the_cardinality_is_32_groups_of_4_channels():
    net = published("resnext50")
    assert net.layer1[0].conv2.weight.shape == (128, 4, 3, 3)
    assert all(block[0].conv2.groups == 32 for block in net.blocks)
    assert net.layer4[2].conv2.weight.shape == (1024, 32, 3, 3)


def torchvision_names():
    """Names of the weights of a ResNet-50 as torchvision spells them."""
    names = ["conv1.weight"]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    norms = ["bn1"]
    for layer, depth in enumerate(DEPTHS, start=1):
        for block in range(depth):
            inside = [f"layer{layer}.{block}.{part}" for part in ("conv1", "conv2", "conv3")]
            names += [f"{part}.weight" for part in inside]
            norms += [part.replace("conv", "bn") for part in inside]
        names.append(f"layer{layer}.0.downsample.0.weight")
        norms.append(f"layer{layer}.0.downsample.1")
    return {*names, *(f"{part}.{value}" for part in norms for value in norm)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_weights_have_torchvision_s_names(name):
    assert set(published(name).state_dict()) == torchvision_names()


def test_the_stride_is_in_the_3_x_3_convolution():
    block = published("resnet50").layer2[0]
    assert [conv.stride for conv in (block.conv1, block.conv2, block.conv3)] == [
        (1, 1),
        (2, 2),
        (1, 1),
    ]
    assert block.downsample[0].stride == (2, 2)


def features_of(net, image):
    features = [net.first(image)]
    for block in net.blocks:
        features.append(block(features[-1]))
    return features


@pytest.mark.parametrize(
    ("name", "widths", "sides"),
    [
        ("resnet50", [4, 16, 32, 64, 128], [16, 16, 8, 4, 2]),
        ("resnext50", [4, 16, 32, 64, 128], [16, 16, 8, 4, 2]),
        ("unet", [4, 8, 16, 32, 64], [64, 32, 16, 8, 4]),
    ],
)
def test_features_of_a_small_backbone(name, widths, sides):
    torch.manual_seed(0)
    net = make_backbone(name, 3, 4)
    features = features_of(net, torch.randn(2, 3, 64, 96))
    assert [f.shape[1] for f in features] == widths
    assert net.widths == widths[1:]
    assert [f.shape[2] for f in features] == sides
    assert [f.shape[3] for f in features] == [side * 3 // 2 for side in sides]


def test_any_width_can_be_built():
    with torch.device("meta"):
        for width in range(1, 12):
            assert make_backbone("resnext50", 3, width).widths[0] == 4 * width


def test_several_images_share_the_weights_of_one():
    torch.manual_seed(0)
    one, two = (ResNet(inputs, [4, 4, 8, 8, 8], grouped=False).eval() for inputs in (3, 6))
    two.load(one.state_dict() | {"fc.weight": torch.ones(5, 32), "fc.bias": torch.ones(5)})
    image = torch.randn(1, 3, 64, 64)
    twice = torch.cat([image, image], dim=1)
    torch.testing.assert_close(two.first(twice), one.first(image))


def test_weights_that_do_not_fit_are_refused():
    net = ResNet(3, [4, 4, 8, 8, 8], grouped=False)
    with pytest.raises(RuntimeError, match="conv1"):
        net.load(ResNet(3, [8, 8, 8, 8, 8], grouped=False).state_dict())
    with pytest.raises(RuntimeError, match="Missing"):
        net.load({"fc.weight": torch.ones(5, 32)})
