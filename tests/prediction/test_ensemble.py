"""Several trainings: the mean of their probabilities, one result, one measure of doubt."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume
from remodal.methods import build_method
from remodal.models.model_files import describe, load_model, save_model
from remodal.prediction.ensemble import Ensemble, SummedProbabilities
from remodal.prediction.outputs import Outputs
from remodal.prediction.patient import Patient, segment
from remodal.prediction.placing import Placed
from remodal.prediction.restoring import entropy, segmentation
from remodal.preprocessing import prepare
from remodal.results.files import read_json, write_json


def training(study, folder: Path, seed: int, **changes) -> Path:
    """A training with random weights of its own."""
    torch.manual_seed(seed)
    settings = study.settings
    built = build_method(
        settings.methods["maml"].type,
        settings.modalities_of("maml"),
        len(settings.data.classes),
        settings.network,
        settings.methods["maml"].options,
    )
    registration = settings.registration.model_copy(update={"method": "none"})
    description = describe(settings, "maml", 0, seed, read_json(study.fingerprint))
    changes = {"registration": registration.model_dump(mode="json")} | changes
    save_model(folder, built, description | changes)
    return folder


@pytest.fixture(scope="module")
def trainings(study, tmp_path_factory) -> Path:
    """Folder of three trainings, the last of which prepares images in its own way."""
    folder = tmp_path_factory.mktemp("models") / "maml"
    fingerprint = read_json(study.fingerprint)
    finer = fingerprint | {"spacing": [0.8 * side for side in fingerprint["spacing"]]}
    for seed in range(3):
        changes = {"fingerprint": finer} if seed == 2 else {}
        training(study, folder / f"fold0-seed{seed}", seed, **changes)
    return folder


def images(study) -> dict[str, Path]:
    return {name: study.registered / f"b/{name}.nii.gz" for name in ("arterial", "venous")}


def by_hand(study, folders) -> np.ndarray:
    """Mean probabilities (C, z, y, x) on the images' grid, each interpolated by scipy."""
    volumes = {name: read_volume(path) for name, path in images(study).items()}
    total = 0
    for folder in folders:
        segmenter = Ensemble([folder]).segmenter(0, list(volumes), "")
        description = load_model(folder).description
        preprocessing = Ensemble([folder]).preprocessing
        prepared = prepare(volumes, description["fingerprint"], preprocessing)
        found = segmenter.probabilities(prepared.array)
        [(shape, box)] = [(prepared.properties["shape"], prepared.properties["box"])]
        sides = [stop - start for start, stop in box]
        places = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(sides, shape)]
        mesh = np.meshgrid(*places, indexing="ij")
        inside = [ndimage.map_coordinates(c, mesh, order=1, mode="nearest") for c in found]
        whole = np.zeros(
            (len(found), *(venous := volumes["venous"]).array.transpose(1, 0, 2).shape)
        )
        whole[0] = 1
        assert venous.geometry.direction[4] == 0  # coronal, feet first: see the study
        whole[(slice(None), *(slice(*side) for side in box))] = inside
        total = total + whole
    return (total / len(folders))[:, ::-1].transpose(0, 2, 1, 3)


def test_the_mean_of_probabilities_wins_also_of_models_that_prepare_differently(
    study, trainings, tmp_path
):
    outputs = Outputs(tmp_path / "all.nii.gz", tmp_path / "doubt.nii.gz")
    segment(Ensemble([trainings]), Patient(images(study)), outputs)
    mean = by_hand(study, sorted(trainings.iterdir()))
    found = read_volume(outputs.segmentation).array
    assert 0.01 < found.mean() < 0.99
    sure = np.abs(mean[1] - mean[0]) > 1e-3
    np.testing.assert_array_equal(found[sure], mean.argmax(0)[sure])
    doubt = read_volume(outputs.uncertainty)
    expected = -(mean * np.log(np.maximum(mean, 1e-30))).sum(0) / np.log(2)
    np.testing.assert_allclose(doubt.array, expected, atol=2e-3)
    assert doubt.geometry == read_volume(outputs.segmentation).geometry
    assert doubt.array.dtype == np.float32
    assert 0 <= doubt.array.min() <= doubt.array.max() <= 1


def test_a_model_given_twice_answers_as_if_given_once(study, trainings, tmp_path):
    one = trainings / "fold0-seed0"
    for name, folders in {"once": [one], "twice": [one, one]}.items():
        segment(Ensemble(folders), Patient(images(study)), Outputs(tmp_path / f"{name}.nii.gz"))
    assert (tmp_path / "once.nii.gz").read_bytes() == (tmp_path / "twice.nii.gz").read_bytes()


def test_images_are_prepared_once_for_all_models_that_prepare_them_alike(
    study, trainings, monkeypatch
):
    from remodal.prediction import ensemble as module

    calls = []
    for name in ("crop_case", "scale"):
        original = getattr(module, name)

        def counted(*arguments, original=original, name=name):
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(module, name, counted)
    volumes = {name: read_volume(path) for name, path in images(study).items()}
    ensemble = Ensemble([trainings])
    sums = ensemble.summed(volumes, None, "", lambda windows, description: windows)
    assert sorted(calls) == ["crop_case", "scale", "scale"]
    assert [one.models for one in sums] == [2, 1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": {"tumour": [1], "cyst": [2]}}, "differ in classes"),
        ({"modalities": ["venous"]}, "differ in modalities"),
        ({"preprocessing": {"clip": "none"}}, "differ in preparation of images"),
    ],
)
def test_models_that_do_not_agree_are_one_clear_line(study, trainings, tmp_path, changes, said):
    other = training(study, tmp_path / "other", 7, **changes)
    with pytest.raises(UserError, match=said):
        Ensemble([trainings, other])


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"model\.json"):
        Ensemble([tmp_path])


def test_of_many_models_only_one_s_probabilities_are_in_memory_beside_their_sum(
    study, trainings, monkeypatch
):
    alive: list[weakref.ref] = []
    most = []

    def probabilities(segmenter, image, track):
        found = np.ones((2, *image.shape[1:]), np.float32)
        alive.append(weakref.ref(found))
        most.append(sum(one() is not None for one in alive))
        return found

    monkeypatch.setattr("remodal.inference.model.Segmenter.probabilities", probabilities)
    volumes = {name: read_volume(path) for name, path in images(study).items()}
    one = trainings / "fold0-seed0"
    [total] = Ensemble([one] * 5).summed(volumes, None, "", lambda windows, description: windows)
    assert max(most) == 2  # the sum, which is the first one's, and the one that is made
    assert total.models == 5
    assert (total.averaged() == 1).all()


def placed_and_sums(probabilities: np.ndarray) -> tuple[Placed, list[SummedProbabilities]]:
    """Probabilities (C, z, y, x) of one model on the grid of the only image."""
    grid = Geometry(probabilities.shape[1:], (1.0, 1.0, 1.0))
    volume = Volume(np.zeros(grid.shape, np.int16), grid)
    properties = {
        "original": {
            "shape": list(grid.shape),
            "spacing": [1.0] * 3,
            "origin": [0.0] * 3,
            "direction": list(grid.direction),
        },
        "orientation": {"axes": [0, 1, 2], "flips": [False] * 3},
        "box": [[0, side] for side in grid.shape],
        "coarse_axis": None,
        "shape": list(grid.shape),
    }
    placed = Placed({"ct": volume}, {"ct": grid}, {}, "ct")
    total = SummedProbabilities(properties)
    total.add(probabilities.astype(np.float32))
    return placed, [total]


def test_doubt_is_0_where_one_class_is_certain_and_1_where_all_are_equal():
    probabilities = np.zeros((3, 2, 2, 2))
    probabilities[1] = 1
    probabilities[:, 0, 0, 0] = 1 / 3
    probabilities[:, 1, 1, 1] = (0.5, 0.5, 0)
    placed, sums = placed_and_sums(probabilities)
    found = entropy(sums, placed, "ct").array
    assert found[0, 0, 0] == pytest.approx(1)
    assert found[1, 1, 1] == pytest.approx(np.log(2) / np.log(3))
    assert found[0, 1, 0] == 0
    assert segmentation(sums, placed, "ct").array[0, 1, 0] == 1


def test_of_equally_probable_classes_the_lower_one_wins_by_one_model_and_by_several():
    probabilities = np.zeros((3, 2, 1, 1))
    probabilities[:, 0, 0, 0] = (0.5, 0.5, 0)
    probabilities[:, 1, 0, 0] = (0, 0.5, 0.5)
    placed, one = placed_and_sums(probabilities)
    several = [*placed_and_sums(probabilities)[1], *placed_and_sums(probabilities)[1]]
    for sums in (one, several):
        assert segmentation(sums, placed, "ct").array.ravel().tolist() == [0, 1]


def test_a_page_says_what_planned_the_networks(study):
    model = study.model("maml", fold=7)
    assert "planned" not in Ensemble([model]).facts
    description = read_json(model / "model.json")
    planned = {"cases": 22, "gpu_memory": 24.0, "file": "plan.yaml"}
    description["network"]["planned"] = planned
    write_json(model / "model.json", description)
    patch = " x ".join(map(str, description["recipe"]["patch"]))
    said = f"patches of {patch} voxels (z, y, x), as by nnU-Net v2 for 24 GB (plan.yaml)"
    assert Ensemble([model]).facts["planned"] == said
