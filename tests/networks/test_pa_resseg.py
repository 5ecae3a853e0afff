import math

import pytest
import torch
from torch import nn

from remodal.networks.pa_resseg import Fusion, PAResSeg, channel_scale, likeness, up_sampling

STRIDES = [(2, 2)] * 5


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def fusion(attention, gamma, phases=2):
    """A fusion of 16 channels, of which 4 attend, whose last convolutions change nothing."""
    torch.manual_seed(0)
    found = Fusion(phases, 16, attention).eval()
    found.after = nn.ModuleList([nn.Identity()] * phases)
    nn.init.constant_(found.gammas, gamma)
    return found


def test_the_number_of_parameters_is_that_of_the_repository():
    """Of its `RESNET_phase_att(2, 3, 64)`, whose outputs were compared with ours, too."""
    with torch.device("meta"):
        net = PAResSeg(2, 2, 64, STRIDES)
    assert parameters(net) == 67_732_286


def test_likeness_is_the_softmax_of_the_maximum_minus_the_energy():
    torch.manual_seed(0)
    one, other = torch.randn(2, 1, 3, 2, 2)
    found = likeness(one, other)
    for i in range(3):
        energy = [(one[0, i] * other[0, j]).sum().item() for j in range(3)]
        powers = [math.exp(max(energy) - e) for e in energy]
        expected = [power / sum(powers) for power in powers]
        torch.testing.assert_close(found[0, i], torch.tensor(expected))


def test_large_energies_stay_finite_in_half_precision():
    features = 200 * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = likeness(features.bfloat16(), features.bfloat16())
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 4))


@pytest.mark.parametrize("seed", range(3))
def test_the_released_phase_attention_scales_every_channel_by_the_same_number(seed):
    """Sigmoid(1) = 0.731 times gamma, whatever the images show: it is a defect, kept as found."""
    generator = torch.Generator().manual_seed(seed)
    target, other = torch.randn(2, 2, 5, 6, 6, generator=generator)
    scale = channel_scale(likeness(other, target), "as_released")
    torch.testing.assert_close(scale, torch.full((2, 5), 0.7310586))
    part = fusion("as_released", gamma=0.4)
    phases = torch.randn(2, 1, 16, 6, 6, generator=generator)
    plain = part.before[1](phases[1])
    torch.testing.assert_close(part(phases)[:, 4:], (1 + 0.4 * 0.7310586) * plain)


def test_sums_of_columns_differ_from_channel_to_channel():
    torch.manual_seed(0)
    target, other = torch.randn(2, 1, 5, 6, 6)
    attention = likeness(other, target)
    scale = channel_scale(attention, "column_sums")
    torch.testing.assert_close(scale, torch.sigmoid(attention[:, 0] + attention[:, 1:].sum(1)))
    assert scale.std() > 0.01
    part = fusion("column_sums", gamma=0.4)
    phases = torch.randn(2, 1, 16, 6, 6)
    before = [convolve(x) for convolve, x in zip(part.before, phases)]
    factor = channel_scale(likeness(before[1], before[0]), "column_sums")[:, :, None, None]
    torch.testing.assert_close(part(phases)[:, 4:], (1 + 0.4 * factor) * before[1])


@pytest.mark.parametrize("attention", ["as_released", "column_sums"])
def test_without_attention_the_features_pass_as_they_are(attention):
    part = fusion(attention, gamma=0.0, phases=3)
    phases = torch.randn(3, 1, 16, 6, 6)
    expected = torch.cat([convolve(x) for convolve, x in zip(part.before, phases)], 1)
    torch.testing.assert_close(part(phases), expected)


def test_the_target_attends_to_its_own_channels():
    part = fusion("as_released", gamma=0.3)
    phases = torch.randn(2, 1, 16, 6, 6)
    before = part.before[0](phases[0])
    mixed = torch.einsum("bij,bjyx->biyx", likeness(before, before), before)
    torch.testing.assert_close(part(phases)[:, :4], before + 0.3 * mixed)


def test_every_scale_rises_to_full_resolution_in_steps_that_halve_the_channels():
    for scale in range(6):
        up = up_sampling(10, 4, STRIDES[:scale])
        widths = [m.out_channels for m in up.modules() if isinstance(m, nn.ConvTranspose2d)]
        assert widths == [4 * 2**step for step in reversed(range(scale))]
        assert up(torch.randn(1, 10, 32 // 2**scale, 64 // 2**scale)).shape == (1, 4, 32, 64)


def test_a_stride_may_be_of_one_axis_only():
    torch.manual_seed(0)
    net = PAResSeg(2, 2, 4, [(2, 2), (1, 2), (3, 1)])
    assert net(torch.randn(2, 2, 3, 12, 8)).shape == (2, 2, 12, 8)
