"""Numbers of weights that papers print, by counting those of our networks at the paper's size."""

import math

import pytest

from remodal.methods import build_method
from remodal.report.paper_notes import printed_numbers, read_notes
from remodal.settings.composition import compose

PAPER, STUDY = "dtc", "pancreas"
EXACT = {one.method: one for one in read_notes(PAPER).exact if one.record == "parameters"}


def trained_weights(settings, name):
    """Weights of the model and of every companion that an optimiser changes."""
    chosen = settings.methods[name]
    modalities, classes = settings.modalities_of(name), len(settings.data.classes)
    method = build_method(chosen.type, modalities, classes, settings.network, chosen.options)
    method.companions = method.build_companions(settings.network)
    groups = [one.parameters for one in method.optimisations(settings.recipe_of(name)).values()]
    changed = {id(weight) for group in groups for part in group for weight in part["params"]}
    networks = [method.network, *method.companions.values()]
    return sum(
        sum(weight.numel() for weight in network.parameters())
        for network in networks
        if not changed.isdisjoint(map(id, network.parameters()))
    )


@pytest.mark.parametrize("name", EXACT)
def test_a_network_has_as_many_weights_as_the_notes_say(name):
    settings = compose({"study": STUDY, "preset": "paper"})
    assert trained_weights(settings, name) == round(EXACT[name].value * 1e6)


def test_the_paper_prints_the_exact_values_cut_off_but_for_one_that_is_added_up():
    printed = printed_numbers(PAPER)
    counts = {key.method: one.mean for key, one in printed.items() if key.record == "parameters"}
    added_up = {
        method
        for method, count in counts.items()
        if math.floor(EXACT[method].value * 100) != round(count * 100)
    }
    assert added_up == {"cct"}


def test_every_printed_count_is_explained():
    printed = printed_numbers(PAPER)
    counts = {key.method for key in printed if key.record == "parameters"}
    assert counts == set(EXACT)
