import math

import pytest
import torch

from remodal.networks.phase_fusion import Addition, PhaseAttention, TrainedWeights


def features(phases=2):
    torch.manual_seed(0)
    return [torch.randn(2, 3, 4, 5) for _ in range(phases)]


def test_addition_is_the_sum():
    a, b = features()
    assert torch.equal(Addition()([a, b])[0], a + b)


def test_trained_weights_begin_at_one_half():
    a, b = features()
    module = TrainedWeights(2)
    torch.testing.assert_close(module([a, b])[0], (a + b) / 2)
    with torch.no_grad():
        module.weights.copy_(torch.tensor([2.0, -1.0]))
    torch.testing.assert_close(module([a, b])[0], 2 * a - b)


def by_hand(part, target):
    """Softmax of "maximum minus energy" of each of a sample's channels, one pair at a time."""
    energy = [[float((p * t).sum()) for t in target] for p in part]
    rows = []
    for row in energy:
        powers = [math.exp(max(row) - e - (max(row) - min(row))) for e in row]
        rows.append([power / sum(powers) for power in powers])
    return rows


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("attention", ["as_released", "column_sums"])
def test_phase_attention_by_hand(target, attention):
    parts = features()
    module = PhaseAttention(2, target, attention)
    with torch.no_grad():
        module.gammas.copy_(torch.tensor([0.5, 2.0]))
    found, weights = module(parts)
    assert weights == []
    expected = parts[0] + parts[1]
    gamma = [0.5, 2.0]
    for sample in range(2):
        own, other = parts[target][sample], parts[1 - target][sample]
        alike = by_hand(own, own)
        for c in range(3):
            mixed = sum(alike[c][k] * own[k] for k in range(3))
            expected[sample, c] += gamma[target] * mixed
        alike = by_hand(other, own)
        for c in range(3):
            rows = attention == "as_released"
            total = sum(alike[c][k] if rows else alike[k][c] for k in range(3))
            scale = 1 / (1 + math.exp(-total))
            expected[sample, c] += gamma[1 - target] * scale * other[c]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_phase_attention_begins_as_addition():
    parts = features(3)
    assert torch.equal(PhaseAttention(3, 1, "column_sums")(parts)[0], sum(parts))
