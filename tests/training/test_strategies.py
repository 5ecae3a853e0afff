"""Methods of images with a mask each, trained on a tiny study."""

import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.inference.model import Segmenter
from remodal.models.model_files import load_model
from remodal.results.files import read_json
from remodal.results.records import read_record, write_record
from remodal.settings import ComputeSettings, InferenceSettings, MethodSettings
from remodal.training.starting import starting_method

from .conftest import same_training
from .watching import copied, same

SIZES = {"least": [4, 8, 8], "most": [12, 16, 16], "multiple": [4, 4, 4]}
BOTH = ["arterial", "venous"]


def without_label_of(study, case, image):
    """The case has lost one of its labels."""
    path = study.preprocessed / f"{case}.json"
    record = read_record(path)
    record.details["labels"].remove(image)
    del record.details["foreground"][image]
    write_record(path, record)
    (study.preprocessed / f"{case}.label-{image}.npy").write_bytes(b"poison")


def with_options(study, **options):
    """The study whose method `toy` has these options."""
    toy = study.settings.methods["toy"].model_copy(update={"options": options})
    methods = study.settings.methods | {"toy": toy}
    study.settings = study.settings.model_copy(update={"methods": methods})
    return study


def dice_of(study, model, target, present=BOTH):
    """Dice of the validation case, for one of its images."""
    segmenter = Segmenter.load(
        model, present, InferenceSettings(window="whole"), ComputeSettings(device="cpu"), target
    )
    image = np.load(study.preprocessed / "d.npy").astype(np.float32)
    channels = [BOTH.index(name) for name in segmenter.modalities]
    found = segmenter.probabilities(image[channels]).argmax(0)
    true = np.load(study.preprocessed / f"d.label-{target}.npy")
    return 2 * (found & true).sum() / (found.sum() + true.sum())


@pytest.mark.parametrize("kind", ["one_input", "two_inputs", "two_outputs"])
def test_an_unspecialised_network_learns_to_segment_either_image(paired, kind):
    recipe = {"epochs": 2, "iterations": 50, "learning_rate": 0.05, "foreground": 1}
    study = paired(kind, **recipe, schedule="constant")
    model = study.train("toy")
    assert min(dice_of(study, model, target) for target in BOTH) > 0.5


def test_a_specialised_network_is_not_asked_for_the_other_image(paired):
    study = with_options(paired("two_inputs", epochs=1), specialised=True, target="venous")
    model = study.train("toy")
    dice_of(study, model, "venous")
    with pytest.raises(UserError, match="cannot segment arterial; expected venous"):
        dice_of(study, model, "arterial")


def test_an_image_that_is_not_there_is_not_segmented(paired):
    model = paired("one_input", epochs=1).train("toy")
    with pytest.raises(UserError, match="cannot segment venous"):
        Segmenter.load(model, ["arterial"], InferenceSettings(), ComputeSettings(), "venous")


@pytest.mark.parametrize(
    ("kind", "options", "used"),
    [
        ("one_input", {}, ["a", "b", "c"]),
        ("two_inputs", {}, ["a", "b", "c"]),
        ("two_inputs", {"specialised": True, "target": "venous"}, ["a", "b", "c"]),
        ("two_inputs", {"specialised": True, "target": "arterial"}, ["a", "c"]),
        ("two_outputs", {}, ["a", "c"]),
    ],
)
def test_a_case_with_one_label_trains_what_can_use_it(paired, kind, options, used):
    study = with_options(paired(kind, epochs=1), **options)
    without_label_of(study, "b", "arterial")
    record = read_json(study.train("toy") / "training.json")
    assert record["cases"]["train"] == used
    partly = {"b": ["arterial"]} if "b" in used and not options else {}
    assert record["partly_labelled"] == partly
    assert ("b" in record["unused"]) is ("b" not in used)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("one_input", {}),
        ("one_input", {"loss": "gan"}),
        ("one_input", {"loss": "embedding"}),
        ("one_input", {"loss": "gambling"}),
        ("two_inputs", {}),
        ("two_outputs", {}),
    ],
)
def test_a_broken_training_goes_on_bit_for_bit(paired, train_broken, kind, options):
    study = with_options(paired(kind, patch=SIZES), **options)
    unbroken = study.train("toy", "unbroken")
    broken = train_broken(study, (1, 2))
    assert same_training(broken, unbroken)
    assert read_json(broken / "training.json")["resumed"] == 1
    assert load_model(broken).method.modalities == BOTH


@pytest.mark.parametrize("options", [{}, {"loss": "gan"}, {"loss": "gambling"}])
def test_an_adversarial_training_and_its_control_start_from_a_trained_model(paired, options):
    study = paired("one_input", epochs=1)
    start = study.train("toy", "start")
    toy = study.settings.methods["toy"]
    again = MethodSettings(type="one_input", options=options, inputs={"start": "toy"})
    methods = study.settings.methods | {"toy": toy, "again": again}
    study.settings = study.settings.model_copy(update={"methods": methods})
    begun = starting_method(study.settings, "again", 0, {"start": start}, torch.device("cpu"))
    assert same(copied(begun.network), copied(load_model(start).method.network))
    record = read_json(study.train("again", "again", start=start) / "training.json")
    helping = record["companion_parameter_counts"]
    assert len(helping) == len(options)
    assert record["trained_parameter_count"] == record["parameter_count"] + sum(helping.values())
