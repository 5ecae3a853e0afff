"""SAM + URIM from training to the maps that the report shows."""

import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.inference.model import Segmenter
from remodal.models.model_files import load_model
from remodal.networks.slice_backbones import ResNet
from remodal.results.files import read_json, sha256
from remodal.settings import ComputeSettings, InferenceSettings, Settings
from remodal.settings.merging import merge
from remodal.training.starting import starting_method

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


def test_its_streams_start_from_torchvision_s_file_of_the_backbone(small_study, tmp_path):
    study = small_study(backbone="resnet50", shared=False)
    torch.manual_seed(0)
    weights = ResNet(3, [4, 4, 8, 16, 32], grouped=False).state_dict()
    file = tmp_path / "resnet50-0676ba61.pth"
    torch.save(weights | {"fc.weight": torch.ones(1000, 128), "fc.bias": torch.ones(1000)}, file)
    start = {"starting_weights": {"file": str(file), "sha256": sha256(file)}}
    content = merge(study.settings.model_dump(mode="json"), {"recipe": start})
    settings = Settings.model_validate(content)
    method = starting_method(settings, "ours", 0, {}, torch.device("cpu"))
    for backbone in method.network.streams.backbones:
        assert all(torch.equal(value, weights[key]) for key, value in backbone.state_dict().items())
    study = small_study("other", backbone="resnext50")
    content = merge(study.settings.model_dump(mode="json"), {"recipe": start})
    with pytest.raises(UserError, match=r"resnet50-0676ba61.pth: does not fit the network"):
        starting_method(Settings.model_validate(content), "ours", 0, {}, torch.device("cpu"))


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
        segmenter = Segmenter.load(
            model,
            ["arterial", "venous"],
            InferenceSettings(window=window, mirror=False),
            ComputeSettings(device="cpu"),
        )
        p = segmenter.probabilities(image)
        assert p.shape == (2, *image.shape[1:])
        maps = segmenter.attention(image)
        assert list(maps) == [
            *("arterial", "venous", "certainty_initial", "certainty_refined"),
            *("answer_initial", "answer_refined"),
        ]
        assert all(each.shape == image.shape[1:] for each in maps.values())
        np.testing.assert_allclose(maps["arterial"] + maps["venous"], 1, atol=1e-5)
        np.testing.assert_allclose(maps["answer_refined"], 1 - p[0], atol=1e-3)
        one_slice = segmenter.probabilities(image[:, :1])
        assert one_slice.shape == (2, 1, *image.shape[2:])
        np.testing.assert_allclose(one_slice.sum(0), 1, atol=1e-5)
