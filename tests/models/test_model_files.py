from pathlib import Path

import numpy as np
import pytest
import torch

from remodal.errors import UserError
from remodal.methods import build_method
from remodal.models.model_files import describe, load_model, require_class_order, save_model
from remodal.results.files import read_json, write_json
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def trained():
    """A method with random weights, and its description."""
    settings = compose({"study": "liver", "preset": "smoke"}, CONFIG)
    torch.manual_seed(3)
    method = build_method("nnunet", settings.data.modalities, 1, settings.network)
    return method, describe(settings, "nnunet", 2, 7, {"spacing": [5.0, 1.0, 1.0]})


def images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn((1, 1, 8, 12, 12), generator=generator) for name in ("arterial", "venous")
    }


def test_a_loaded_model_predicts_as_the_saved_one(trained, tmp_path):
    method, description = trained
    save_model(tmp_path, method, description)
    loaded = load_model(tmp_path).method
    with torch.no_grad():
        assert torch.equal(loaded.probabilities(images()), method.probabilities(images()))
    assert not loaded.network.training


def test_the_description_is_enough_for_a_new_patient(trained, tmp_path):
    save_model(tmp_path, *trained)
    description = load_model(tmp_path).description
    assert description["modalities"] == ["arterial", "venous"]
    assert description["classes"] == {"tumour": [2]}
    assert description["recipe"]["patch"] == [16, 32, 32]
    assert description["fingerprint"] == {"spacing": [5.0, 1.0, 1.0]}
    assert description["registration"]["fixed"] == "venous"
    assert description["preprocessing"]["clip"]["percentiles"] == [0.5, 99.5]
    assert description["inference"]["step"] == 0.5
    assert (description["method"], description["fold"], description["seed"]) == ("nnunet", 2, 7)


def test_classes_keep_the_order_that_numbers_them(tmp_path):
    """Also in a file whose keys are sorted; else what was drawn would get another class's name."""
    settings = compose({"study": "brats", "preset": "smoke"}, CONFIG)
    order = ["necrosis", "oedema", "enhancing_tumour"]
    assert list(settings.data.classes) == order != sorted(order)
    method = build_method("nnunet", settings.data.modalities, 3, settings.network)
    save_model(tmp_path, method, describe(settings, "nnunet", 0, 0, {"spacing": [5, 5, 5]}))
    description = load_model(tmp_path).description
    assert list(description["classes"]) == list(description["data"]["classes"]) == order
    require_class_order(tmp_path, description)
    kept = read_json(tmp_path / "model.json")
    write_json(tmp_path / "model.json", {k: v for k, v in kept.items() if k != "class_order"})
    with pytest.raises(UserError, match="does not say how its classes are numbered"):
        require_class_order(tmp_path, load_model(tmp_path).description)


def test_the_same_model_gives_the_same_bytes(trained, tmp_path):
    save_model(tmp_path / "a", *trained)
    save_model(tmp_path / "b", *trained)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_weights_of_another_model_are_refused(trained, tmp_path):
    method, description = trained
    save_model(tmp_path / "a", method, description)
    with torch.no_grad():
        next(method.network.parameters()).add_(1)
    save_model(tmp_path / "b", method, description)
    (tmp_path / "b" / "model.safetensors").replace(tmp_path / "a" / "model.safetensors")
    with pytest.raises(UserError, match="does not hold the weights that its description names"):
        load_model(tmp_path / "a")


def test_weights_that_do_not_fit_the_description_are_refused(trained, tmp_path):
    save_model(tmp_path, *trained)
    description = read_json(tmp_path / "model.json")
    description["network"]["base_width"] = 3
    write_json(tmp_path / "model.json", description)
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 99}'])
def test_a_folder_without_a_model_is_said_so(tmp_path, content):
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(UserError, match=r"model\.json"):
        load_model(tmp_path)


def test_weights_are_plain_numbers_in_natural_order(trained, tmp_path):
    from safetensors.numpy import load_file

    method, description = trained
    save_model(tmp_path, method, description)
    stored = load_file(tmp_path / "model.safetensors")
    for name, tensor in method.network.state_dict().items():
        np.testing.assert_array_equal(stored[name], tensor.numpy())
