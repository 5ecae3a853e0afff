import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from remodal.phantom.vessels import grow


@given(st.integers(0, 10_000), st.integers(1, 25))
@hypothesis_settings(max_examples=30, deadline=None)
def test_a_tree_reaches_every_end_and_has_one_root(seed, count):
    rng = np.random.default_rng(seed)
    trunk = rng.uniform(-50, 50, (3, 3))
    ends = rng.uniform(-50, 50, (count, 3))
    tree = grow(trunk, ends)
    assert (tree.parent == -1).sum() == 1
    assert np.all(tree.parent < np.arange(len(tree.parent)))
    gaps = np.linalg.norm(tree.points[None] - ends[:, None], axis=2).min(axis=1)
    np.testing.assert_allclose(gaps, 0, atol=1e-9)


def test_what_flows_through_the_root_feeds_every_end():
    trunk = np.array([[0.0, 0, 0], [0, 0, 10]])
    ends = np.array([[0.0, 20, 20], [0, -20, 20], [5, 0, 30]])
    tree = grow(trunk, ends)
    loads = tree.loads()
    children = np.bincount(tree.parent[1:], minlength=len(tree.parent))
    assert loads[0] == (children == 0).sum() == 3
    for point, parent in enumerate(tree.parent):
        assert parent < 0 or loads[parent] >= loads[point]


def test_the_share_of_the_way_to_the_root_makes_a_tree_bushier():
    ends = np.random.default_rng(0).uniform(-50, 50, (40, 3))
    trunk = np.array([[0.0, 0, 0], [0, 0, 5]])

    def way_to_root(weight: float) -> float:
        tree = grow(trunk, ends, weight)
        way = np.zeros(len(tree.parent))
        for point, parent in enumerate(tree.parent[1:], 1):
            way[point] = way[parent] + np.linalg.norm(tree.points[point] - tree.points[parent])
        return way.max()

    assert way_to_root(1.0) < way_to_root(0.0)
