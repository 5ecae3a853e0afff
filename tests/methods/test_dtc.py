from math import exp

import pytest
import torch

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.objectives.batch import Batch, Step
from remodal.objectives.level_set import level_sets
from remodal.settings import NetworkSettings

from .conftest import FIRST, half_labelled

PUBLISHED = NetworkSettings(base_width=16, max_width=256, strides=[(2, 2, 2)] * 4)
ALONE = {
    "segmentation": {"level_set": False, "consistency": False},
    "level_set": {"segmentation": False, "consistency": False},
}


@pytest.mark.parametrize(
    ("options", "count"),
    [(ALONE["segmentation"], 9_448_849), (ALONE["level_set"], 9_448_849), ({}, 9_448_866)],
)
def test_the_number_of_weights_is_the_published_one(options, count):
    with torch.device("meta"):
        network = build_method("dtc", ["ct"], 1, PUBLISHED, options).network
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def given(method, monkeypatch, p, z):
    """Let the heads answer these probabilities and level sets."""
    answers = {"segmentation": p, "level_set": z}
    monkeypatch.setattr(
        method, "predicted", lambda images: {task: answers[task] for task in method.tasks}
    )


def case(seed=0):
    """Probabilities and level sets (2, 1, 2, 3, 4), and a batch whose first sample is labelled."""
    generator = torch.Generator().manual_seed(seed)
    p, image = torch.rand(2, 2, 1, 2, 3, 4, generator=generator)
    z = torch.rand(2, 1, 2, 3, 4, generator=generator) * 0.01 - 0.005
    label = torch.full((2, 2, 3, 4), -1)
    label[0] = torch.rand(2, 3, 4, generator=generator) > 0.6
    return p, z, Batch({"ct": image}, {"ct": label}, torch.tensor([True, False]))


@pytest.mark.parametrize("number", [0, 2999, 5999])
def test_the_loss_by_hand(build, monkeypatch, number):
    method, (p, z, batch) = build("dtc", ["ct"]), case()
    given(method, monkeypatch, p, z)
    y = (batch.label[0] == 1).float()
    dice = 1 - (2 * (p[0, 0] * y).sum() + 1e-5) / ((p[0, 0] ** 2).sum() + y.sum() + 1e-5)
    level = (z[0, 0] - level_sets(y[None].bool(), "repo_zero")[0]).pow(2).mean()
    consistency = (p - 1 / (1 + torch.exp(1500 * z))).pow(2).mean()
    weight = exp(-5 * (1 - (number // 150) / 40) ** 2)
    losses = method.objective(batch, Step(0, number, 1, 6000))
    torch.testing.assert_close(losses["dice"], dice)
    torch.testing.assert_close(losses["level_set"], level)
    torch.testing.assert_close(losses["consistency"], consistency)
    torch.testing.assert_close(losses["loss"], dice + 0.3 * level + weight * consistency)


def test_without_consistency_the_tasks_are_added(build, monkeypatch):
    method, (p, z, batch) = build("dtc", ["ct"], consistency=False, beta=0.5), case()
    given(method, monkeypatch, p, z)
    losses = method.objective(batch, FIRST)
    assert set(losses) == {"loss", "dice", "level_set"}
    torch.testing.assert_close(losses["loss"], losses["dice"] + 0.5 * losses["level_set"])


@pytest.mark.parametrize("task", ALONE)
def test_a_task_alone_is_trained_by_its_own_loss(build, monkeypatch, task):
    method, (p, z, batch) = build("dtc", ["ct"], **ALONE[task]), case()
    given(method, monkeypatch, p, z)
    losses = method.objective(batch, FIRST)
    (term,) = set(losses) - {"loss"}
    assert term == {"segmentation": "dice", "level_set": "level_set"}[task]
    torch.testing.assert_close(losses["loss"], losses[term])


def test_a_perfect_solution_is_consistent_but_for_its_contour(build, monkeypatch):
    """There, the level set says 1/2."""
    axis = torch.arange(48).float() - 24
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 10**2)[None]
    label = ball.long()
    batch = Batch({"ct": label[:, None].float()}, {"ct": label}, torch.ones(1, dtype=torch.bool))
    method = build("dtc", ["ct"])
    level = level_sets(ball, "repo_zero")
    given(method, monkeypatch, ball[:, None].float(), level[:, None])
    losses = method.objective(batch, FIRST)
    assert losses["dice"] == losses["level_set"] == 0
    torch.testing.assert_close(losses["consistency"], 0.25 * (level == 0).float().mean())
    assert losses["consistency"] < 0.0025


def test_both_heads_learn_from_the_consistency_of_unlabelled_samples(build, make_batch):
    method, batch = build("dtc", dropout=0.0), half_labelled(make_batch())
    batch = Batch(batch.images, {"venous": batch.label[1:]}, batch.labelled[1:])
    batch = Batch({k: v[1:] for k, v in batch.images.items()}, batch.labels, batch.labelled)
    losses = method.objective(batch, Step(0, 99, 1, 100))
    assert losses["dice"] == losses["level_set"] == 0
    losses["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in method.network.decoder.heads.parameters())


def test_a_level_set_alone_predicts_foreground_up_to_its_contour(build, monkeypatch):
    method = build("dtc", ["ct"], **ALONE["level_set"])
    z = torch.tensor([-1.0, -1e-3, 0.0, 1e-3, 1.0]).view(1, 1, 1, 1, 5)
    given(method, monkeypatch, None, z)
    p = method.probabilities({"ct": z})
    assert p.argmax(1).flatten().tolist() == [1, 1, 1, 0, 0]
    torch.testing.assert_close(p[:, 1], (1 - z[:, 0]) / 2, atol=2e-6, rtol=0)
    averaged = (p + p.flip(-1)) / 2
    assert averaged.argmax(1).flatten().tolist() == [1] * 5


def test_the_segmentation_predicts_where_there_is_one(build, monkeypatch):
    method, (p, z, batch) = build("dtc", ["ct"]), case()
    given(method, monkeypatch, p, z)
    assert torch.equal(method.probabilities(batch.images), torch.cat([1 - p, p], 1))
    assert torch.equal(method.attention(batch.images)["level_set"], z)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"segmentation": False}, "consistency needs two tasks"),
        ({"level_set": False}, "consistency needs two tasks"),
        (ALONE["segmentation"] | {"segmentation": False}, "there is no task"),
        ({"k": 1500.0}, "option `k`"),
    ],
)
def test_options_that_do_not_fit_are_named(build, options, said):
    with pytest.raises(UserError, match=said):
        build("dtc", **options)


def test_more_than_one_class_is_refused(build):
    with pytest.raises(UserError, match="`dtc` segments one class by its level set, not 2"):
        build("dtc", classes=2)


@pytest.mark.parametrize("options", [{}, ALONE["segmentation"], ALONE["level_set"]])
def test_each_task_learns_to_find_a_ball(build, options):
    axis = torch.arange(16).float()
    label = (axis[:, None, None] - 6) ** 2 + (axis[:, None] - 8) ** 2 + (axis - 9) ** 2 < 25
    generator = torch.Generator().manual_seed(0)
    image = label + 0.3 * torch.randn(2, 1, 16, 16, 16, generator=generator)
    batch = Batch(
        {"ct": image}, {"ct": label.long().expand(2, -1, -1, -1)}, torch.tensor([True] * 2)
    )
    method = build("dtc", ["ct"], dropout=0.0, **options)
    optimiser = torch.optim.SGD(method.network.parameters(), lr=0.02, momentum=0.9)
    for number in range(60):
        optimiser.zero_grad()
        method.objective(batch, Step(0, number, 1, 60))["loss"].backward()
        optimiser.step()
    method.network.eval()
    found = method.probabilities(batch.images).argmax(1) == 1
    dice = 2 * (found & label).sum() / (found.sum() + 2 * label.sum())
    assert dice > 0.8
