"""What the paper's paragraph says of the models comes from the files beside their weights."""

from remodal.report.runs import trained_runs
from remodal.report.training_text import (
    Trained,
    loss_sentence,
    options_sentence,
    precision_sentence,
    what_was_trained,
)
from remodal.results.files import write_json


def test_each_dice_mode_names_its_methods():
    trained = Trained({"A": {"dice_over": "sample"}, "B": {"dice_over": "batch"}, "C": {}})
    said = "The Dice term was computed over each sample (A) and over the batch (B)."
    assert loss_sentence(trained) == said


def test_just_the_methods_with_deep_supervision_are_named():
    options = {
        "nnUNet": {"deep_supervision": True},
        "plain": {"deep_supervision": False},
        "MAML": {"intra_deep_supervision": True},
    }
    said = loss_sentence(Trained(options))
    assert said.endswith("was used for nnUNet and MAML (its modality-specific models).")


def test_options_without_a_sentence_of_their_own_are_listed():
    options = {"A": {"dice_over": "batch", "ma": "repo", "gates": True}, "B": {}}
    assert (
        options_sentence(Trained(options)) == "Options of the methods: A (ma = repo, gates = yes)."
    )


def test_precision_is_what_the_trainings_say_they_had():
    trained = Trained(precisions=[("32-true", "a processor"), ("bf16-mixed", "a card")])
    assert precision_sentence(trained) == (
        "Training ran in 32-bit floating point on a processor and in mixed precision (bfloat16) "
        "on a card."
    )


def test_an_assembled_model_was_not_trained(make_settings, tmp_path):
    settings = make_settings()
    for method, epochs in {"nnunet": 2, "ms_ensemble": 0}.items():
        folder = tmp_path / "models" / method / "fold0-seed0"
        write_json(folder / "training.json", {"epochs": epochs, "precision": "32-true"})
        write_json(folder / "model.json", {"options": {"dice_over": "sample"}})
    trained = what_was_trained(settings, tmp_path, trained_runs(settings, tmp_path))
    assert trained == Trained({"nnUNet": {"dice_over": "sample"}}, [("32-true", "")])
