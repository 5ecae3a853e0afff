from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from remodal.objectives.adversarial import evaluating, verdict_loss


def test_a_verdict_is_compared_with_what_its_sample_is():
    """Odds of 3 to 1 for a labelled sample, of 1 to 1 and of 1 to 3 for an unlabelled one."""
    odds = torch.tensor([[[log(3)], [log(3)]], [[0.0], [-log(3)]]])
    expected = -(2 * log(3 / 4) + log(1 / 2) + log(3 / 4)) / 4
    found = verdict_loss(odds, torch.tensor([True, False]))
    assert found.item() == pytest.approx(expected)
    assert verdict_loss(odds[:, 0, 0], torch.tensor([True, False])).item() == pytest.approx(
        -(log(3 / 4) + log(1 / 2)) / 2
    )


def test_of_two_logits_it_is_their_cross_entropy():
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    labelled = torch.tensor([True, False, True, True, False])
    found = verdict_loss(logits[:, 1] - logits[:, 0], labelled)
    torch.testing.assert_close(found, F.cross_entropy(logits, labelled.long()))


def test_without_samples_it_is_zero_and_has_a_gradient():
    odds = torch.zeros(0, 1, 2, requires_grad=True)
    loss = verdict_loss(odds, torch.zeros(0, dtype=torch.bool))
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("before", [True, False])
def test_a_network_is_in_evaluation_mode_for_a_while(before):
    network = nn.Sequential(nn.Dropout(0.5)).train(before)
    with evaluating(network):
        assert [module.training for module in network.modules()] == [False, False]
    assert [module.training for module in network.modules()] == [before, before]
