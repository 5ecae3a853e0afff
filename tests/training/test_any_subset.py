"""Methods whose steps draw modalities and noise go on exactly where they were stopped."""

import signal

import pytest

from remodal.errors import Preempted
from remodal.inference.model import Segmenter
from remodal.methods.maml_any import MAMLAny
from remodal.models.model_files import load_model
from remodal.results.files import read_json
from remodal.settings import ComputeSettings, InferenceSettings, MethodSettings

from .test_loop import contents
from .watching import copied, same


@pytest.mark.parametrize("kind", ["hemis", "uhved", "rfnet", "mmformer"])
def test_a_stopped_training_that_draws_goes_on_as_if_it_had_not_been(make_toys, signalled, kind):
    study = make_toys(kind)
    unbroken = contents(study.train("toy", "unbroken"))
    restore = signalled(signal.SIGTERM, epoch=1, iteration=2)
    with pytest.raises(Preempted):
        study.train("toy", "broken")
    restore()
    assert contents(study.train("toy", "broken")) == unbroken
    assert read_json(study.folder / "broken" / "training.json")["resumed"] == 1


@pytest.mark.parametrize("present", [["arterial"], ["venous"], ["arterial", "venous"]])
def test_a_trained_model_segments_with_whatever_is_there(make_toys, present):
    model = make_toys("uhved", epochs=1).train("toy")
    segmenter = Segmenter.load(model, present, InferenceSettings(), ComputeSettings(device="cpu"))
    assert segmenter.modalities == present


def test_a_student_is_trained_by_a_teacher_that_was_trained_before(make_toys):
    study = make_toys(
        "kdnet", epochs=1, options={"student": "venous"}, inputs={"teacher": "nnunet"}
    )
    model = study.train("toy", "student", teacher=study.train("nnunet", "teacher"))
    record = read_json(model / "training.json")
    assert record["metrics"]["bottleneck"] > 0
    Segmenter.load(model, ["venous"], InferenceSettings(), ComputeSettings(device="cpu"))


def test_maml_for_any_subset_starts_from_a_maml(make_toys, monkeypatch):
    begun, kept = [], MAMLAny.optimisations

    def optimisations(method, recipe):
        begun.append(copied(method.network))
        return kept(method, recipe)

    monkeypatch.setattr(MAMLAny, "optimisations", optimisations)
    study = make_toys("maml_any", epochs=1, inputs={"start": "maml"})
    methods = study.settings.methods | {"maml": MethodSettings(type="maml")}
    study.settings = study.settings.model_copy(update={"methods": methods})
    start = study.train("maml", "plain")
    study.train("toy", "free", start=start)
    assert same(begun[0], copied(load_model(start).method.network))
