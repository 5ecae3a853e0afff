"""How much memory a method needs beside one U-Net's, measured on the networks themselves."""

from functools import cache

import pytest

from remodal.methods import method_origins
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
    assert most_demanding(study(ours={"type": "maml"})).times == 1
    assert "`maml` is planned for as one U-Net: Tensor.item() cannot" in capsys.readouterr().err


@pytest.mark.parametrize("name", method_origins())
def test_every_method_can_be_measured(name, capsys):
    modalities = ["t1", "t2"]
    most_demanding(study(**{name: {"type": name, "modalities": modalities}}))
    assert not capsys.readouterr().err
