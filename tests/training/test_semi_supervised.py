"""Trainings of the semi-supervised methods: stopped and continued, counted, labels withheld."""

import signal

import pytest
import torch

from remodal.errors import Preempted
from remodal.models.model_files import load_model
from remodal.results.files import read_json
from remodal.settings import MethodSettings

from .test_loop import checkpoints, contents

STREAMS = {
    "batch": 2,
    "labelled": 2,
    "optimiser": "sgd",
    "learning_rate": 0.01,
    "schedule": "step",
    "schedule_in": "iterations",
    "decay_every": 2,
    "pools": [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}],
}


@pytest.fixture
def semi_study(tmp_path, make_study):
    """Writes the tiny study with one label withheld: `semi_study(type, folder)`."""

    def write(kind: str, folder: str = "study"):
        study = make_study(tmp_path / folder, epochs=2)
        methods = {"semi": MethodSettings(type=kind, recipe=STREAMS)}
        study.settings = study.settings.model_copy(update={"methods": methods})
        return study

    return write


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("ua_mt", "companion teacher"),
        ("cct", "companion strongest"),
        ("dan", "minimiser discriminator"),
        ("sassnet", "minimiser discriminator"),
    ],
)
def test_a_stopped_training_goes_on_bit_for_bit(semi_study, signalled, kind, part):
    """Noise, dropout, the teacher and its running statistics, momentum, a second optimiser."""
    study = semi_study(kind)
    unbroken = contents(study.train("semi", "unbroken"))
    restore = signalled(signal.SIGTERM, epoch=1, iteration=2)
    with pytest.raises(Preempted):
        study.train("semi", "broken")
    restore()
    (checkpoint,) = checkpoints(study, "broken")
    held = torch.load(checkpoint, weights_only=True).keys()
    assert part in held
    assert contents(study.train("semi", "broken")) == unbroken


@pytest.mark.parametrize(
    "kind", ["mean_teacher", "ua_mt", "entropy_minimisation", "cct", "dtc", "dan", "sassnet"]
)
def test_a_withheld_label_is_never_read(semi_study, kind):
    clean, poisoned = (semi_study(kind, folder) for folder in ("clean", "poisoned"))
    (poisoned.preprocessed / "c.label-venous.npy").write_bytes(b"poison")
    assert contents(poisoned.train("semi")) == contents(clean.train("semi"))
    cases = read_json(clean.folder / "model/training.json")["cases"]
    assert (cases["train"], cases["unlabelled"]) == (["a", "b"], ["c"])


def test_decoders_are_counted_as_trained_and_a_teacher_is_not(semi_study):
    for kind, times in (("mean_teacher", 0), ("cct", 3)):
        folder = semi_study(kind, kind).train("semi")
        record, network = read_json(folder / "training.json"), load_model(folder).method.network
        more = times * sum(weight.numel() for weight in network.decoder.parameters())
        assert record["trained_parameter_count"] == record["parameter_count"] + more


@pytest.mark.parametrize("kind", ["dan", "sassnet"])
def test_a_discriminator_is_counted_as_trained(semi_study, kind):
    record = read_json(semi_study(kind).train("semi") / "training.json")
    (more,) = record["companion_parameter_counts"].values()
    assert record["trained_parameter_count"] == record["parameter_count"] + more
