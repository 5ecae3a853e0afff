"""`remodal predict` with any of four sequences: `--t1ce FILE`, and as many others as there are."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from remodal.cli import app
from remodal.errors import UserError
from remodal.intake.datasets.brats_phantom import BratsPhantomOptions, patient, stored_case
from remodal.intake.nifti import read_volume
from remodal.methods import build_method
from remodal.models.model_files import describe, save_model
from remodal.phantom.brain.brats_files import simulate_case
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
SEQUENCES = ("t1", "t1ce", "t2", "flair")


@pytest.fixture(scope="module")
def brain(tmp_path_factory) -> dict[str, Path]:
    """The sequences of a small simulated patient."""
    options = BratsPhantomOptions(cases=2, matrix=40, slices=26)
    one, folder = patient(options, 0), tmp_path_factory.mktemp("brain")
    simulate_case(options, one.case, folder, Path("unused"))
    return stored_case(one, folder).images


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """Makes the folder of a model of the study of subsets, with random weights."""
    settings = compose({"study": "brats_subsets", "preset": "smoke"}, CONFIG)
    folder = tmp_path_factory.mktemp("models")

    def make(name: str) -> Path:
        chosen, modalities = settings.methods[name], settings.modalities_of(name)
        torch.manual_seed(1)
        classes = len(settings.data.classes)
        built = build_method(chosen.type, modalities, classes, settings.network, chosen.options)
        save_model(folder / name, built, describe(settings, name, 0, 0, {"spacing": [5, 5, 5]}))
        return folder / name

    return make


def run(model: Path, images: dict[str, Path], output: Path):
    given = [part for name, path in images.items() for part in (f"--{name}", str(path))]
    return CliRunner().invoke(app, ["predict", "--model", str(model), *given, "-o", str(output)])


def said(done) -> str:
    return done.output.splitlines()[-1].removeprefix("remodal: s: ")


@pytest.mark.parametrize(
    ("method", "present", "answer"),
    [
        ("maml_any", ["t1ce"], " by the head of t1ce alone"),
        ("maml_any", ["t1", "flair"], " by the joint head"),
        ("maml_any", ["t1", "t1ce", "t2"], " by the joint head"),
        ("maml", ["flair"], " by the head of flair alone"),
        ("maml", SEQUENCES, " by the joint head"),
        ("nnunet", ["t1ce", "t2"], " by the network with zeros for t1 + flair"),
        ("kd_net", ["t1ce", "t2"], " by the student of t1ce"),
        ("hemis", ["t2"], ""),
        ("mmformer", ["t2", "flair"], ""),
    ],
)
def test_any_sequences_that_the_method_takes_are_segmented_and_it_is_said_by_what(
    brain, model_of, tmp_path, method, present, answer
):
    done = run(model_of(method), {name: brain[name] for name in present}, tmp_path / "s.nii.gz")
    assert done.exit_code == 0, done.output
    images = " + ".join(present)
    on = "t1ce" if "t1ce" in present else present[0]
    values = "1 necrosis, 2 oedema, 3 enhancing_tumour"
    assert said(done) == f"segmented from {images}{answer}, on the grid of the {on} image: {values}"
    found, image = (read_volume(path) for path in (tmp_path / "s.nii.gz", brain[on]))
    assert found.geometry.agrees_with(image.geometry)
    assert set(np.unique(found.array)) <= {0, 1, 2, 3}


def test_each_sequence_changes_the_answer_and_the_order_of_the_options_does_not(
    brain, model_of, tmp_path
):
    answers = []
    for present in (["t1ce", "t2"], ["t2", "t1ce"], ["t1ce", "flair"]):
        images = {name: brain[name] for name in present}
        assert run(model_of("maml_any"), images, tmp_path / "s.nii.gz").exit_code == 0
        answers.append(read_volume(tmp_path / "s.nii.gz").array)
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    ("method", "present", "words"),
    [
        ("maml", ["t1", "t2"], "cannot predict from t1 + t2"),
        ("nnunet_t1ce", ["flair"], "flair"),
        ("kd_net", ["t1", "t2", "flair"], "cannot predict from t1 + t2 + flair"),
    ],
)
def test_sequences_that_a_method_cannot_do_with_are_refused_in_one_line(
    brain, model_of, tmp_path, method, present, words
):
    done = run(model_of(method), {name: brain[name] for name in present}, tmp_path / "s.nii.gz")
    assert isinstance(done.exception, UserError)
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


def test_what_is_measured_has_the_name_of_its_class_and_regions_are_their_unions(
    brain, model_of, tmp_path
):
    table = tmp_path / "table.csv"
    options = {"measurements": table, "t1ce": brain["t1ce"], "flair": brain["flair"]}
    assert run(model_of("maml_any"), options, tmp_path / "s.nii.gz").exit_code == 0
    rows = csv.DictReader(table.read_text().splitlines())
    volumes = {row["structure"]: float(row["volume_ml"]) for row in rows}
    found = read_volume(tmp_path / "s.nii.gz")
    voxel = np.prod(found.geometry.spacing_zyx) / 1000
    parts = {"necrosis": [1], "oedema": [2], "enhancing_tumour": [3]}
    parts |= {"tumour_core": [1, 3], "whole_tumour": [1, 2, 3]}
    counted = {name: voxel * np.isin(found.array, values).sum() for name, values in parts.items()}
    assert volumes == pytest.approx(counted, rel=1e-4)
    assert len({round(volume, 3) for volume in counted.values()}) == len(counted)
