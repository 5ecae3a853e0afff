"""What a method may do, shown by toys that do it."""

import importlib
import signal
from itertools import pairwise

import pytest
import torch

from remodal.errors import Preempted, UserError
from remodal.models.model_files import load_model
from remodal.results.files import read_json

from .test_loop import checkpoints, contents
from .toys.teacher import DECAY
from .watching import copied, same, seen


def test_a_teacher_is_the_moving_average_of_the_network(make_toys, monkeypatch):
    def both(method):
        return copied(method.network), copied(method.companions["teacher"])

    begun = seen(monkeypatch, "teacher", "build_companions", lambda method: copied(method.network))
    steps = seen(monkeypatch, "teacher", "after_step", both)
    make_toys("teacher", epochs=1).train("toy")
    expected = begun[0]
    for network, teacher in steps:
        expected = [DECAY * mean + (1 - DECAY) * now for mean, now in zip(expected, network)]
        torch.testing.assert_close(teacher, expected)
    assert len(steps) == 3


def test_what_helps_in_training_is_counted_apart_and_not_saved_with_the_model(make_toys):
    study = make_toys("teacher", epochs=1)
    folder = study.train("toy")
    weights = sum(p.numel() for p in load_model(folder).method.network.parameters())
    record = read_json(folder / "training.json")
    assert record["parameter_count"] == record["trained_parameter_count"] == weights
    assert record["companion_parameter_counts"] == {"teacher": weights}
    record = read_json(make_toys("adversary", "other", epochs=1).train("toy") / "training.json")
    own = 2 * 27 + 1
    assert record["companion_parameter_counts"] == {"discriminator": own}
    assert record["trained_parameter_count"] == record["parameter_count"] + own


def test_each_loss_changes_its_own_weights_and_no_others(make_toys, monkeypatch):
    """The network learns the same whatever the discriminator learns, and the other way round."""

    def both(method):
        return copied(method.network), copied(method.companions["discriminator"])

    steps = seen(monkeypatch, "adversary", "after_step", both)
    started = seen(monkeypatch, "adversary", "optimisations", both)
    study = make_toys("adversary", options={"weight": 0.0, "pause": 2}, epochs=1)
    study.train("toy")
    network, judge = ([started[0][part], *(step[part] for step in steps)] for part in (0, 1))
    assert all(not same(before, after) for before, after in pairwise(network))
    # In the pause the network's loss is taken through the discriminator and does not move it.
    moved = [not same(before, after) for before, after in pairwise(judge)]
    assert moved == [False, False, True]
    steps.clear()
    make_toys("adversary", "paused", options={"weight": 0.0, "pause": 99}, epochs=1).train("toy")
    assert all(same(one[0], other) for one, other in zip(steps, network[1:]))


@pytest.mark.parametrize("kind", ["teacher", "adversary"])
def test_a_stopped_training_goes_on_with_its_companions_and_optimisers(make_toys, signalled, kind):
    recipe = {"schedule": "step", "decay_every": 2, "schedule_in": "iterations"}
    study = make_toys(kind, **recipe)
    unbroken = contents(study.train("toy", "unbroken"))
    restore = signalled(signal.SIGTERM, epoch=1, iteration=2)
    with pytest.raises(Preempted):
        study.train("toy", "broken")
    restore()
    (checkpoint,) = checkpoints(study, "broken")
    held = torch.load(checkpoint, weights_only=True).keys()
    assert {"teacher": "companion teacher", "adversary": "minimiser discriminator"}[kind] in held
    assert contents(study.train("toy", "broken")) == unbroken
    assert read_json(study.folder / "broken" / "training.json")["resumed"] == 1


def test_a_loss_that_is_not_finite_is_named_whichever_it_is(make_toys, monkeypatch):
    toy = importlib.import_module("toys.adversary").METHOD
    original = toy.objective

    def broken(self, batch, step):
        losses = original(self, batch, step)
        return losses | {"discriminator": losses["discriminator"] * float("inf")}

    monkeypatch.setattr(toy, "objective", broken)
    with pytest.raises(UserError, match="`discriminator` is not finite in epoch 1"):
        make_toys("adversary").train("toy")


def test_a_loss_that_takes_turns_is_averaged_over_its_own_turns(make_toys):
    study = make_toys("adversary", options={"pause": 4})
    lines = (study.train("toy") / "curves.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","))) for line in lines[1:]]
    losses = [row["discriminator"] for row in rows]
    assert losses[0] == ""
    # About 2 ln 2 in each of the epochs, of which one has two turns of three.
    assert [float(loss) for loss in losses[1:]] == pytest.approx([1.39, 1.39], abs=0.6)
    assert float(losses[1]) > 1
