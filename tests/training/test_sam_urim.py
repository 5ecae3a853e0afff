"""SAM + URIM from training to the maps that the report shows."""

import numpy as np
import pytest

from remodal.inference.model import Segmenter
from remodal.models.model_files import load_model
from remodal.results.files import read_json
from remodal.settings import ComputeSettings, InferenceSettings, Settings
from remodal.settings.merging import merge

RECIPE = {"patch": [1, 32, 64], "batch": 4, "epochs": 3, "iterations": 12, "schedule": "constant"}


@pytest.fixture
def small_study(make_study, tmp_path):
    """The tiny study with SAM + URIM as its method `ours`: `small_study(**options)`."""

    def write(folder="study", **options):
        study = make_study(tmp_path / folder)
        changes = {
            "network": {"base_width": 2},
            "recipe": RECIPE | {"learning_rate": 0.01},
            "methods": {"ours": {"type": "sam_urim", "options": options}},
        }
        content = merge(study.settings.model_dump(mode="json"), changes)
        study.settings = Settings.model_validate(content)
        return study

    return write


def test_it_learns_and_shows_its_weights_and_masks(small_study):
    study = small_study(backbone="unet", dropout=0.0)
    model = study.train("ours")
    record = read_json(model / "training.json")
    network = load_model(model).method.network
    assert record["parameter_count"] == sum(p.numel() for p in network.parameters())
    assert record["metrics"]["validation_dice"] > 0.3
    heads = (model / "curves.csv").read_text().splitlines()[0].split(",")
    assert {"initial", "final"} <= set(heads)
    image = np.load(study.preprocessed / "d.npy").astype(np.float32)
    for window in ("patch", "whole"):
        segmenter = Segmenter(
            model,
            ["arterial", "venous"],
            InferenceSettings(window=window, mirror=False),
            ComputeSettings(device="cpu"),
        )
        p = segmenter.probabilities(image)
        assert p.shape == (2, *image.shape[1:])
        maps = segmenter.attention(image)
        assert list(maps) == ["arterial", "venous", "certainty_before", "certainty_after"]
        assert all(each.shape == image.shape[1:] for each in maps.values())
        np.testing.assert_allclose(maps["arterial"] + maps["venous"], 1, atol=1e-5)
