from dataclasses import replace

import numpy as np
import pytest

from remodal.inference.model import Segmenter
from remodal.inference.sliding_window import strided_starts
from remodal.models.model_files import load_model
from remodal.settings import ComputeSettings, InferenceSettings, MethodSettings


def test_half_precision_passes_change_probabilities_a_little(study) -> None:
    image = np.random.default_rng(0).normal(size=(2, 16, 32, 32)).astype(np.float32)
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        settings = InferenceSettings(mirror=False, precision=precision)
        compute = ComputeSettings(device="cpu", windows=2)
        segmenter = Segmenter.load(study.model("nnunet"), ["arterial", "venous"], settings, compute)
        found[precision] = segmenter.probabilities(image)
        assert found[precision].dtype == np.float32
        np.testing.assert_allclose(found[precision].sum(axis=0), 1, atol=1e-2)
    gap = np.abs(found["32-true"] - found["bf16-mixed"])
    assert 0 < gap.max() < 0.1


def test_a_step_in_voxels_holds_for_a_patient_of_a_model_whose_study_had_one(study) -> None:
    """As the model's description has it, so as `remodal predict` reads it."""
    voxels = InferenceSettings(mirror=False, step=(16, 8, 5))
    shares = voxels.model_copy(update={"step": 0.5})
    image = np.random.default_rng(0).normal(size=(2, 24, 44, 50)).astype(np.float32)
    found, windows = {}, {}
    for settings in (voxels, shares):
        folder = study.model("nnunet", inference=settings.model_dump(mode="json"))
        stored = InferenceSettings.model_validate(load_model(folder).description["inference"])
        assert stored == settings
        compute = ComputeSettings(device="cpu", windows=1)
        segmenter = Segmenter.load(folder, ["arterial", "venous"], stored, compute)
        batches: list = []
        found[stored.step] = segmenter.probabilities(
            image, lambda each, batches=batches: batches.extend(each) or batches
        )
        windows[stored.step] = len(batches)
    patch = study.settings.recipe.patch.most
    ends = [len(strided_starts(*axis)) for axis in zip(image.shape[1:], patch, voxels.step)]
    assert windows[voxels.step] == np.prod(ends) != windows[0.5]
    assert np.abs(found[voxels.step] - found[0.5]).max() > 1e-4


def test_a_method_shows_the_maps_that_its_options_leave_it(study) -> None:
    image = np.random.default_rng(0).normal(size=(2, 16, 32, 32)).astype(np.float32)
    alone = {"level_set": False, "consistency": False}
    methods = {
        "dtc": MethodSettings(type="dtc"),
        "segmentation": MethodSettings(type="dtc", options=alone),
    }
    own = replace(study, settings=study.settings.model_copy(update={"methods": methods}))
    settings, compute = InferenceSettings(mirror=False), ComputeSettings(device="cpu")
    maps = {
        name: Segmenter.load(own.model(name), ["arterial", "venous"], settings, compute).attention(
            image
        )
        for name in methods
    }
    assert list(maps["dtc"]) == ["level_set"]
    assert maps["dtc"]["level_set"].shape == (16, 32, 32)
    assert maps["segmentation"] == {}


@pytest.mark.parametrize("mirror", [False, True])
def test_maps_come_of_the_pass_that_predicts_and_are_those_of_a_pass_of_their_own(
    study, monkeypatch, mirror
) -> None:
    method = study.settings.model_copy(update={"methods": {"dtc": MethodSettings(type="dtc")}})
    folder = replace(study, settings=method).model("dtc")
    image = np.random.default_rng(0).normal(size=(2, 24, 40, 32)).astype(np.float32)
    settings, compute = InferenceSettings(mirror=mirror), ComputeSettings(device="cpu", windows=2)
    segmenter = Segmenter.load(folder, ["arterial", "venous"], settings, compute)
    network, passes = segmenter._method.network, []
    monkeypatch.setattr(
        network, "forward", lambda x: passes.append(len(x)) or type(network).forward(network, x)
    )
    probabilities, maps = segmenter.with_attention(image)
    windows = sum(passes)
    passes.clear()
    np.testing.assert_array_equal(probabilities, segmenter.probabilities(image))
    assert windows == sum(passes) * (9 / 8 if mirror else 1)
    np.testing.assert_array_equal(maps["level_set"], segmenter.attention(image)["level_set"])
    alone = Segmenter.load(study.model("maml"), ["venous"], settings, compute)
    assert alone.with_attention(image[:1])[1] == {}
