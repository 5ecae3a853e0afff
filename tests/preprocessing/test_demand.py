"""How much memory a method needs beside one U-Net's, measured on the networks themselves."""

from functools import cache

import pytest

from remodal.methods import method_origins
from remodal.preprocessing import demand
from remodal.preprocessing.demand import Demand, most_demanding
from remodal.settings import MethodSettings
from remodal.settings.composition import compose
from remodal.settings.places import REPOSITORY


@cache
def brats():
    return compose({"study": "brats", "preset": "paper"}, REPOSITORY / "config")


def study(classes=("tumour",), **methods):
    """Four sequences, and these methods alone; not checked, as nothing else of it matters here."""
    settings = brats()
    data = settings.data.model_copy(update={"classes": {name: [1] for name in classes}})
    settings = settings.model_copy(update={"data": data})
    chosen = {name: MethodSettings(**content) for name, content in methods.items()}
    return settings.model_copy(update={"methods": chosen})


def test_one_u_net_needs_what_nnu_net_plans_for_however_many_channels_go_in():
    found = most_demanding(
        study(one={"type": "nnunet", "modalities": ["t2"]}, all={"type": "nnunet"})
    )
    assert found.times == 1


def test_a_u_net_for_each_image_needs_as_many_times_more_and_the_fusion_on_top():
    found = most_demanding(study(one={"type": "nnunet"}, ours={"type": "maml"}))
    assert found.method == "ours"
    # Four U-Nets; the module that joins them keeps some features of full resolution for each.
    assert 4.5 < found.times < 6
    two = {"type": "maml", "modalities": ["t1", "t2"]}
    assert found.times / most_demanding(study(two=two)).times == pytest.approx(2, abs=0.2)


def test_a_method_with_a_patch_of_its_own_or_that_trains_nothing_is_not_asked():
    own = {"type": "maml", "recipe": {"patch": [8, 64, 64]}}
    assert most_demanding(study(own=own)) == Demand("", 1.0)
    assert most_demanding(study(sum={"type": "ms_ensemble"})).times == 1


def test_a_network_that_looks_at_its_values_counts_as_one_u_net(monkeypatch, capsys):
    from remodal.methods.maml import MAML

    def of_values(self, images):
        return images["t1"] if float(next(iter(images.values())).mean()) > 0 else None

    monkeypatch.setattr(MAML, "probabilities", of_values)
    monkeypatch.setattr(MAML, "objective", lambda self, batch, step: of_values(self, batch.images))
    assert most_demanding(study(ours={"type": "maml"})).times == 1
    assert "`maml` is planned for as one U-Net: Tensor.item() cannot" in capsys.readouterr().err


def test_losses_that_look_at_values_are_left_out_and_it_is_said(monkeypatch, capsys):
    from remodal.methods.maml import MAML

    two = {"type": "maml", "modalities": ["t1", "t2"]}
    measured = most_demanding(study(two=two))
    monkeypatch.setattr(MAML, "objective", lambda self, batch, step: float(batch.label.sum()))
    assert most_demanding(study(two=two)).times == pytest.approx(measured.times, abs=0.15)
    assert "`maml` is planned for without what it needs in training" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    # One V-Net is 1.05; a discriminator sees the probabilities of both samples.
    [("dan", 1.1, 1.4), ("mean_teacher", 0.99, 1.15), ("cct", 2.5, 4), ("uhved", 1.5, 2)],
)
def test_networks_that_serve_only_the_training_count(kind, least, most):
    """A teacher keeps nothing for gradients, other decoders do."""
    found = most_demanding(study(one={"type": kind, "modalities": ["t1", "t2"]}))
    assert least < found.times < most


def test_of_a_method_that_draws_its_images_the_largest_step_counts():
    two = {"modalities": ["t1", "t2"]}
    several = most_demanding(study(one={"type": "maml_any"} | two)).times
    every = most_demanding(study(one={"type": "maml"} | two)).times
    assert several == pytest.approx(every, rel=0.05)


def test_a_frozen_input_keeps_nothing_for_gradients():
    teacher = {"type": "nnunet", "modalities": ["t1", "t2"]}
    student = {"type": "kdnet", "modalities": ["t1", "t2"], "inputs": {"teacher": "teacher"}}
    assert most_demanding(study(teacher=teacher, student=student)).times < 1.2


@pytest.mark.parametrize("name", method_origins())
def test_every_method_can_be_measured(name, capsys, monkeypatch):
    monkeypatch.setattr(demand, "_DRAWS", 1)
    needed = {
        "teacher": {"type": "nnunet", "modalities": ["t1", "t2"], "recipe": {"patch": [8] * 3}}
    }
    inputs = {"teacher": "teacher"} if name == "kdnet" else {}
    method = {"type": name, "modalities": ["t1", "t2"], "inputs": inputs}
    most_demanding(study(**needed, ours=method))
    assert not capsys.readouterr().err
