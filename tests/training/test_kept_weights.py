import signal

import pytest
from torch import nn

from remodal.errors import Preempted, UserError
from remodal.results.files import read_json, write_json
from remodal.training.checkpoints import Progress
from remodal.training.kept_weights import KeptWeights

from .test_loop import contents


def after(rule, found, stop=None):
    """Weight and progress of a training whose weight is the epoch's number from 1."""
    network, progress = nn.Linear(1, 1, bias=False), Progress()
    kept = KeptWeights(rule, network)
    for dice in found:
        if progress.epoch == stop:  # what a checkpoint hands over
            state, kept = kept.state_dict(), KeptWeights(rule, network)
            kept.load_state_dict(state)
        network.weight.data.fill_(progress.epoch + 1)
        kept.end_epoch(progress, dice)
        progress.epoch += 1
    kept.put_back()
    return network.weight.item(), progress.kept_epoch


@pytest.mark.parametrize(
    ("rule", "found", "epoch"),
    [
        ("last", [0.9, 0.1, None], 3),
        ("best_validation", [0.1, 0.9, 0.3], 2),
        ("best_validation", [None, 0.5, 0.5], 2),
        ("best_validation", [0.0, None, None], 1),
    ],
)
def test_the_rule_says_whose_weights_are_the_model(rule, found, epoch):
    assert after(rule, found) == (epoch, epoch)
    assert after(rule, found, stop=2) == (epoch, epoch)


def test_the_model_is_the_epoch_with_the_best_validation(tmp_path, make_study):
    """A training that ends with its best epoch has the same weights by either rule."""
    recipe = {"learning_rate": 0.02}
    study = make_study(tmp_path / "best", checkpoint="best_validation", epochs=5, **recipe)
    folder = study.train()
    lines = (folder / "curves.csv").read_text().splitlines()
    column = lines[0].split(",").index("validation_dice")
    dice = [float(line.split(",")[column]) for line in lines[1:]]
    best = dice.index(max(dice)) + 1
    assert read_json(folder / "training.json")["checkpoint"] == {
        "rule": "best_validation",
        "epoch": best,
    }
    shorter = make_study(tmp_path / "short", epochs=best, **recipe).train()
    assert contents(shorter)["model.safetensors"] == contents(folder)["model.safetensors"]


def test_a_stopped_training_remembers_its_best_epoch(tmp_path, make_study, signalled):
    study = make_study(tmp_path, checkpoint="best_validation", learning_rate=0.02)
    unbroken = contents(study.train(output="unbroken"))
    restore = signalled(signal.SIGTERM, epoch=2, iteration=1)
    with pytest.raises(Preempted):
        study.train(output="broken")
    restore()
    assert contents(study.train(output="broken")) == unbroken


def test_a_choice_by_validation_needs_validation_cases(tmp_path, make_study):
    study = make_study(tmp_path, checkpoint="best_validation")
    fold = {"train": ["a", "b"], "validation": [], "test": []}
    splits = {"folds": [fold], "patients": {}, "modalities": {}, "labels": {}}
    write_json(tmp_path / "splits.json", splits)
    with pytest.raises(UserError, match="no validation case to choose a checkpoint by"):
        study.train()
