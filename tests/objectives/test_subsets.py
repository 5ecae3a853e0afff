from collections import Counter

import pytest
import torch

from remodal.objectives.subsets import draw_subset, subsets

SEQUENCES = ("t1", "t1ce", "t2", "flair")


def drawn(draw, least=1, times=3000):
    torch.manual_seed(0)
    return Counter(tuple(draw_subset(SEQUENCES, draw, least)) for _ in range(times))


def test_four_modalities_have_fifteen_subsets():
    found = subsets(SEQUENCES)
    assert len(set(found)) == len(found) == 15
    assert found[0] == ("t1",)
    assert found[-1] == SEQUENCES
    assert subsets(SEQUENCES, least=3)[0] == ("t1", "t1ce", "t2")


@pytest.mark.parametrize(("draw", "share"), [("size", 1 / 4), ("subset", 1 / 15)])
def test_every_size_or_every_subset_is_as_likely(draw, share):
    counts = drawn(draw)
    assert set(counts) == set(subsets(SEQUENCES))
    assert counts[SEQUENCES] / 3000 == pytest.approx(share, abs=0.025)
    alone = sum(counts[name,] for name in SEQUENCES) / 3000
    assert alone == pytest.approx(4 * share if draw == "subset" else share, abs=0.025)


@pytest.mark.parametrize("draw", ["size", "subset"])
def test_a_subset_has_at_least_as_many_as_asked_for(draw):
    assert set(drawn(draw, least=2, times=300)) == set(subsets(SEQUENCES, 2))


def test_the_same_seed_draws_the_same():
    assert drawn("size", times=20) == drawn("size", times=20)
