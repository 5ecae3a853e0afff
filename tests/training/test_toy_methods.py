"""Trainings that the liver study does not have: 2.5-D, patches of many sizes, unlabelled cases."""

import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.inference.model import Segmenter
from remodal.intake.nifti import read_volume, write_volume
from remodal.models.model_files import load_model
from remodal.prediction.patient import predict_patient
from remodal.results.files import read_json
from remodal.settings import ComputeSettings, InferenceSettings
from remodal.training import patches

from .conftest import same_training, without_label

STREAMS = {
    "batch": 4,
    "pools": [{"cases": "labelled", "samples": 2}, {"cases": "unlabelled", "samples": 2}],
}


def segmenter(model, **inference):
    return Segmenter.load(
        model,
        ["arterial", "venous"],
        InferenceSettings(**inference),
        ComputeSettings(device="cpu"),
    )


def test_a_2_5_d_method_is_trained_and_predicts_each_slice_from_three(toy_study):
    study = toy_study("slices", epochs=4, iterations=20, batch=4, learning_rate=0.02)
    model = study.train("toy")
    last = read_json(model / "training.json")["metrics"]
    assert last["validation_dice"] > 0.5
    image = np.load(study.preprocessed / "d.npy").astype(np.float32)
    found = segmenter(model, mirror=False).probabilities(image)
    around = torch.from_numpy(np.pad(image, [(0, 0), (1, 1), (0, 0), (0, 0)]))
    method = load_model(model).method
    with torch.no_grad():
        for z in range(image.shape[1]):
            images = dict(zip(method.modalities, around[:, None, None, z : z + 3]))
            alone = method.probabilities(images)[0, :, 0]
            # Windows within a slice know nothing beyond their border.
            assert (torch.from_numpy(found[:, z]) - alone).abs().mean() < 0.05
    whole = segmenter(model, mirror=False, window="whole").probabilities(image)
    torch.testing.assert_close(torch.from_numpy(whole[:, z]), alone, rtol=0, atol=1e-5)


def test_a_patient_is_segmented_in_2_5_d_by_the_model_s_folder_alone(toy_study, tmp_path):
    model = toy_study("slices", epochs=1).train("toy")
    geometry = Geometry((9, 20, 18), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    images = {}
    for seed, name in enumerate(("arterial", "venous")):
        array = np.random.default_rng(seed).normal(40, 30, geometry.shape).astype(np.int16)
        images[name] = tmp_path / f"{name}.nii.gz"
        write_volume(images[name], Volume(array, geometry))
    predict_patient(model, images, tmp_path / "found.nii.gz")
    found = read_volume(tmp_path / "found.nii.gz")
    assert found.geometry.agrees_with(geometry)
    assert found.array.max() <= 1


def test_a_case_of_one_slice_is_predicted_in_2_5_d(toy_study):
    model = toy_study("slices", epochs=1).train("toy")
    image = np.random.default_rng(0).normal(size=(2, 1, 20, 18)).astype(np.float32)
    found = segmenter(model).probabilities(image)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


MANY_SIZES = {"least": [4, 8, 8], "most": [12, 16, 16], "multiple": [4, 4, 4]}


def test_patches_of_many_sizes_train_alike_broken_or_not(toy_study, train_broken, monkeypatch):
    seen = set()

    made = patches.PatchSampler.batch

    def watched(self, epoch, iteration, samples=None):
        batch = made(self, epoch, iteration, samples)
        seen.add(tuple(batch.label.shape[1:]))
        return batch

    study = toy_study("any_size", patch=MANY_SIZES, iterations=6)
    monkeypatch.setattr(patches.PatchSampler, "batch", watched)
    unbroken = study.train("toy", "unbroken")
    assert len(seen) > 4
    assert same_training(train_broken(study, (1, 3)), unbroken)


def test_a_whole_image_is_one_pass_over_the_padded_image(toy_study):
    model = toy_study("any_size", patch=MANY_SIZES, epochs=1).train("toy")
    image = np.random.default_rng(0).normal(size=(2, 9, 21, 7)).astype(np.float32)
    padded = np.pad(image, [(0, 0), (1, 2), (1, 2), (0, 1)])  # to multiples of 4, the least 4, 8, 8
    method = load_model(model).method
    with torch.no_grad():
        images = dict(zip(method.modalities, torch.from_numpy(padded)[:, None, None]))
        expected = method.probabilities(images)[0, :, 1:10, 1:22, :7]
    found = segmenter(model, window="whole", mirror=False).probabilities(image)
    torch.testing.assert_close(torch.from_numpy(found), expected)


def test_windows_are_of_the_largest_patch(toy_study):
    model = toy_study("any_size", patch=MANY_SIZES, epochs=1).train("toy")
    batches = []
    image = np.zeros((2, 12, 16, 28), np.float32)
    segmenter(model, mirror=False).probabilities(image, lambda b: batches.extend(b) or batches)
    ((window, _),) = batches[0][:1]
    assert [side.stop - side.start for side in window] == [12, 16, 16]


def weights(study, **arguments):
    return (study.train("toy", **arguments) / "model.safetensors").read_bytes()


def test_unlabelled_cases_train_beside_labelled_ones(toy_study):
    study = toy_study("entropy", **STREAMS)
    without_label(study.preprocessed, "b")
    record = read_json(study.train("toy") / "training.json")
    assert record["cases"]["train"] == ["a", "c"]
    assert record["cases"]["unlabelled"] == ["b"]
    assert record["metrics"]["entropy"] > 0


def test_a_withheld_label_is_never_read(toy_study):
    """Neither its file, nor which voxels of the case are foreground."""
    recipe = STREAMS | {"labelled": ["a", "c"]}
    clean, poisoned = (toy_study("entropy", name, **recipe) for name in ("clean", "poisoned"))
    (poisoned.preprocessed / "b.label-venous.npy").write_bytes(b"poison")
    found = weights(poisoned)
    assert found == weights(clean)
    assert read_json(clean.folder / "model" / "training.json")["cases"]["unlabelled"] == ["b"]
    assert found != weights(toy_study("entropy", "all", labelled=["b", "c"], **STREAMS))


def test_no_loss_uses_the_fill_of_an_unlabelled_sample(toy_study, monkeypatch):
    plain = weights(toy_study("entropy", "plain", labelled=2, **STREAMS))
    monkeypatch.setattr(patches, "UNLABELLED", 12345)
    assert weights(toy_study("entropy", "poisoned", labelled=2, **STREAMS)) == plain


def test_a_method_that_cannot_use_unlabelled_samples_is_not_given_any(toy_study):
    study = toy_study("any_size", labelled=2, **STREAMS)
    with pytest.raises(UserError, match=r"methods\.toy, recipe\.pools: method `any_size` does not"):
        study.train("toy")


def test_devices_that_cannot_share_a_pool_are_one_line(toy_study):
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 3}]
    study = toy_study("entropy", labelled=2, batch=4, pools=pools)
    compute = study.settings.compute.model_copy(update={"devices": 2})
    study.settings = study.settings.model_copy(update={"compute": compute})
    with pytest.raises(
        UserError, match=r"recipe\.pools: a pool of 1 samples cannot be shared by 2"
    ):
        study.train("toy")


def test_images_with_a_truth_each_train_a_method_that_is_told_which_to_segment(paired):
    study = paired("either", epochs=4, iterations=20)
    model = study.train("toy")
    assert read_json(model / "training.json")["metrics"]["validation_dice"] > 0.5
    image = np.load(study.preprocessed / "d.npy").astype(np.float32)
    for target, other in (("arterial", "venous"), ("venous", "arterial")):
        told = Segmenter.load(
            model, ["arterial", "venous"], InferenceSettings(), ComputeSettings(), target
        )
        predicted = told.probabilities(image).argmax(0)
        own, others = (
            2 * (predicted & label).sum() / (predicted.sum() + label.sum())
            for label in (
                np.load(study.preprocessed / f"d.label-{name}.npy") for name in (target, other)
            )
        )
        assert own > 0.5 > others


def test_a_method_of_one_truth_is_not_trained_on_images_that_have_one_each(paired):
    with pytest.raises(UserError, match=r"methods\.toy: method `any_size` knows one truth"):
        paired("any_size").train("toy")


def test_of_images_that_have_a_truth_each_a_method_of_one_image_needs_only_its_own(paired):
    study = paired("any_size", epochs=1)
    methods = {"toy": study.settings.methods["toy"].model_copy(update={"modalities": ["arterial"]})}
    study.settings = study.settings.model_copy(update={"methods": methods})
    for name in "abcd":
        (study.preprocessed / f"{name}.label-venous.npy").write_bytes(b"poison")
    study.train("toy")
