"""Plans equal those of nnU-Net's own planner, which was run on the same fingerprints."""

import pytest
from tests.planning.fingerprints import FINGERPRINTS

from remodal.errors import UserError
from remodal.planning.plan import plan, target_spacing
from remodal.planning.topology import feature_map_elements, topology

#: What nnunetv2 2.8.1 plans (dynamic-network-architectures 0.4.4, its default ExperimentPlanner,
#: 3d_fullres, run in an environment of its own): spacing, patch, batch, strides, kernels, and the
#: feature maps of a patch. Axes are (z, y, x), its transposition undone.
NNUNET = {
    "liver_ct": (
        (1.0215, 0.757, 0.7865),
        (128, 128, 128),
        2,
        "222 222 222 222 222",
        "333 333 333 333 333 333",
        452_796_416,
    ),
    "liver_ct_thick": (
        (2.6032, 0.7465, 0.756),
        (48, 224, 192),
        2,
        "122 222 222 222 122",
        "133 333 333 333 333 333",
        552_964_608,
    ),
    "brain_mr": (
        (1.0, 1.0, 1.0),
        (128, 128, 128),
        2,
        "222 222 222 222 222",
        "333 333 333 333 333 333",
        454_893_568,
    ),
    "hippocampus": ((1.0, 1.0, 1.0), (40, 56, 40), 9, "222 222 222", "333 333 333 333", 19_174_400),
    "cardiac_cine": (
        (7.2593, 1.5585, 1.563),
        (14, 256, 224),
        2,
        "122 122 222 122 122",
        "133 133 333 333 333 333",
        238_787_584,
    ),
    "pancreas_ct": (
        (1.1514, 0.7905, 0.8235),
        (80, 160, 192),
        2,
        "222 222 222 222 122",
        "333 333 333 333 333 333",
        530_668_800,
    ),
    "prostate_mr": (
        (2.933, 0.6375, 0.625),
        (20, 256, 320),
        2,
        "122 122 222 222 122 122",
        "133 133 333 333 333 333 333",
        481_676_800,
    ),
    "whole_body": (
        (1.4665, 1.3145, 1.3355),
        (192, 112, 112),
        2,
        "222 222 222 222 211",
        "333 333 333 333 333 333",
        527_374_848,
    ),
    "coronal": (
        (1.274, 5.5616, 1.225),
        (256, 32, 224),
        2,
        "212 212 222 222 222",
        "313 313 333 333 333 333",
        538_832_896,
    ),
    "tiny": ((2.0375, 1.9145, 1.9765), (16, 20, 12), 2, "222 221", "333 333 333", 806_400),
    "liver_ct_24_gb": (
        (1.0215, 0.757, 0.7865),
        (160, 192, 224),
        2,
        "222 222 222 222 222",
        "333 333 333 333 333 333",
        1_485_738_240,
    ),
    "few_brains": (
        (0.992, 0.85, 0.908),
        (112, 160, 128),
        2,
        "222 222 222 222 122",
        "333 333 333 333 333 333",
        492_997_120,
    ),
}


def digits(triples):
    return " ".join("".join(map(str, triple)) for triple in triples)


@pytest.mark.parametrize("name", NNUNET)
def test_the_plan_is_nnu_net_s(name):
    given = FINGERPRINTS[name]
    made = plan(given["spacings"], given["shapes"], given["classes"], given.get("gpu_memory", 8.0))
    spacing, *rest = NNUNET[name]
    assert made.spacing == pytest.approx(spacing, abs=1e-6)
    found = [made.patch, made.batch, digits(made.strides), digits(made.kernels), made.elements]
    assert found == rest


def test_feature_maps_are_counted_by_hand():
    # 8 x 8 x 8 and 4 x 4 x 4 voxels, 2 and 4 channels: two convolutions at each, then on the way
    # up an up-convolution and two more at full resolution, and two logits.
    by_hand = 2 * 2 * 512 + 2 * 4 * 64 + 3 * 2 * 512 + 2 * 512
    assert feature_map_elements((8, 8, 8), [(2, 2, 2)], (2, 4), 2) == by_hand


def test_a_convolution_has_as_many_values_as_are_counted():
    """The same number from the feature maps of our own U-Net, as hooks see them."""
    import torch

    from remodal.networks.unet import Layout, UNet

    layout = Layout((4, 8, 8), ((1, 2, 2), (2, 2, 2)), ((1, 3, 3), (3, 3, 3), (3, 3, 3)), "v2")
    net, counted = UNet(1, 3, layout, heads=1), []
    for part in net.modules():
        if isinstance(part, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
            part.register_forward_hook(lambda *given: counted.append(given[-1].numel()))
    # Skips are convolved apart from what comes from below, without calling the module.
    net(torch.zeros(1, 1, 4, 16, 16))
    convolved_in_parts = 4 * 1024 + 8 * 256
    expected = feature_map_elements((4, 16, 16), layout.strides, layout.widths, 3)
    assert sum(counted) + convolved_in_parts == expected


def test_of_thick_slices_the_tenth_percentile_counts():
    spacings = [[step, 1.0, 1.0] for step in (4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10)]
    assert target_spacing(spacings, [[20, 100, 100]] * 11) == (5.0, 1.0, 1.0)
    assert target_spacing(spacings, [[50, 100, 100]] * 11) == (9.0, 1.0, 1.0)  # as many slices


def test_an_axis_that_is_never_halved_has_kernels_of_three_where_its_spacing_allows():
    made = topology((1.0, 1.0, 1.0), (6, 64, 64))
    assert made.strides[0] == (1, 2, 2)
    assert made.kernels[0] == (3, 3, 3)


def test_a_given_spacing_is_kept():
    given = FINGERPRINTS["brain_mr"]
    made = plan(given["spacings"], given["shapes"], 3, spacing=(2.0, 2.0, 2.0))
    assert made.spacing == (2.0, 2.0, 2.0)
    assert made.patch == (80, 96, 80)


def test_images_too_small_to_halve_are_refused():
    with pytest.raises(UserError, match="too small"):
        plan([[1.0, 1.0, 1.0]] * 3, [[6, 6, 6]] * 3, 1)
