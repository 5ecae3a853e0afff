from pathlib import Path

import pytest
import torch

from remodal.errors import UserError
from remodal.models.model_files import load_model
from remodal.results.files import sha256
from remodal.settings import RecipeSettings
from remodal.settings.stages import depends_on

from .watching import copied, same, seen


def test_a_frozen_input_model_is_seen_and_not_changed(make_toys, monkeypatch):
    def given(method):
        teacher = method.inputs["teacher"].network
        return copied(teacher), teacher.training, [p.requires_grad for p in teacher.parameters()]

    steps = seen(monkeypatch, "student", "after_step", given)
    study = make_toys("student", inputs={"teacher": "nnunet"})
    teacher = study.train("nnunet", "teacher")
    before = sha256(teacher / "model.safetensors")
    study.train("toy", "student", teacher=teacher)
    assert len(steps) == 9
    expected = copied(load_model(teacher).method.network)
    assert all(same(weights, expected) for weights, _, _ in steps)
    assert not any(training or any(wanted) for _, training, wanted in steps)
    assert sha256(teacher / "model.safetensors") == before
    header = (study.folder / "student" / "curves.csv").read_text().splitlines()[0]
    assert "loss,distance" in header


def test_a_role_that_the_method_does_not_know_is_refused(make_toys):
    study = make_toys("student", inputs={"teahcer": "nnunet"})
    teacher = study.train("nnunet", "teacher")
    with pytest.raises(UserError, match=r"role `teahcer`.*expected roles start, teacher"):
        study.train("toy", "student", teahcer=teacher)


def test_any_method_may_start_from_the_weights_of_a_trained_model(make_toys, monkeypatch):
    begun = seen(monkeypatch, "teacher", "build_companions", lambda method: copied(method.network))
    study = make_toys("teacher", inputs={"start": "nnunet"})
    start = study.train("nnunet", "start")
    study.train("toy", "toy", start=start)
    assert same(begun[0], copied(load_model(start).method.network))


def test_a_model_to_start_from_that_does_not_fit_is_one_clear_line(make_toys):
    study = make_toys("teacher", inputs={"start": "maml"}, epochs=1)
    start = study.train("maml", "start")
    with pytest.raises(UserError, match=r"methods\.toy\.inputs: .*do not fit") as raised:
        study.train("toy", "toy", start=start)
    assert "\n" not in str(raised.value)


def test_a_model_of_one_image_starts_one_of_several(make_toys, monkeypatch):
    begun = seen(monkeypatch, "teacher", "build_companions", lambda method: copied(method.network))
    study = make_toys("teacher", inputs={"start": "nnunet_venous"}, epochs=1)
    start = study.train("nnunet_venous", "start")
    study.train("toy", "toy", start=start)
    kernel, *others = copied(load_model(start).method.network)
    assert same(begun[0], [torch.cat([kernel, kernel], dim=1) / 2, *others])


def with_weights(study, file, sha=None):
    """The study with a recipe that starts from a file."""
    weights = {"file": file, "sha256": sha or sha256(file)}
    recipe = RecipeSettings.model_validate(
        study.settings.recipe.model_dump() | {"starting_weights": weights}
    )
    study.settings = study.settings.model_copy(update={"recipe": recipe})
    return study


@pytest.mark.parametrize("name", ["model.safetensors", "weights.pt"])
def test_a_training_starts_from_weights_of_a_file(make_toys, monkeypatch, tmp_path, name):
    begun = seen(monkeypatch, "teacher", "build_companions", lambda method: copied(method.network))
    study = make_toys("teacher", epochs=1)
    first = study.train("nnunet", "first")
    network = load_model(first).method.network
    file = first / "model.safetensors"
    if name == "weights.pt":
        file = tmp_path / name
        torch.save({"state_dict": network.state_dict()}, file)
    folder = with_weights(study, file).train("toy")
    assert same(begun[0], copied(network))
    for written in ("model.json", "training.json"):
        text = (folder / written).read_text()
        assert sha256(file) in text
        assert str(tmp_path) not in text


def test_weights_that_are_missing_or_others_or_do_not_fit_are_one_clear_line(study, tmp_path):
    file = tmp_path / "weights.pt"
    with pytest.raises(UserError, match=r"weights\.pt: is missing.*recipe\.starting_weights"):
        with_weights(study, file, "0" * 64).train()
    torch.save({"one": torch.ones(2)}, file)
    with pytest.raises(UserError, match="is another file than recipe"):
        with_weights(study, file, "0" * 64).train()
    for content in ({"one": torch.ones(2)}, [1, 2], {"state_dict": {}}):
        torch.save(content, file)
        with pytest.raises(UserError, match="does not fit the network") as raised:
            with_weights(study, file).train()
        assert "\n" not in str(raised.value)
    file.write_bytes(b"no weights")
    with pytest.raises(UserError, match="no weights can be read"):
        with_weights(study, file).train()


def test_where_the_file_lies_is_in_no_digest(study, tmp_path):
    digests = {
        depends_on(with_weights(study, Path(folder), sha * 64).settings, "train", "maml")
        for folder, sha in (("here", "0"), ("there", "0"), ("here", "1"))
    }
    assert len(digests) == 2
