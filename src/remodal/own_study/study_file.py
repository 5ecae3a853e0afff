"""The YAML of a study of one's own: every line that was decided says why."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from remodal.counting import counted
from remodal.own_study.facts import Facts

#: Patients from which on one test set of a fifth is enough.
_MANY = 100
_FOLDS = 5


def study_text(facts: Facts) -> str:
    """The study, as YAML with comments."""
    methods = dict(_methods(facts))
    parts = [
        _head(facts),
        _data(facts),
        _registration(facts),
        _preprocessing(facts),
        _network(facts),
        _splits(facts),
        _of_methods(facts, methods),
        _table(methods),
        _trial(facts),
    ]
    return "\n".join(text + "\n" for part in parts if (text := "\n".join(part)))


def _head(facts: Facts) -> Iterator[str]:
    opened = counted(len(facts.seen), "case")
    yield f"# Written by `remodal init {facts.name}`, which opened {opened}."
    yield "# Change what you know better; every key is described in remodal's config/README.md."
    yield f"title: {facts.name}"


def _data(facts: Facts) -> Iterator[str]:
    yield "data:"
    yield f"  name: {facts.name}"
    for key, value in facts.source.items():
        yield f"  {key}: {_flow(value)}"
    yield f"  description: {counted(len(facts.cases), 'case')} of our own."
    yield f"  modalities: {_flow(list(facts.modalities))}"
    if facts.truth == "image":
        yield "  truth: image    # some cases have labels of several images"
    elif len(facts.modalities) > 1:
        yield "  truth: case     # no case has labels of two images: they share one truth"
    if facts.unlabelled:
        without = counted(facts.unlabelled, "case has", "cases have")
        yield f"  # {without} no label: left out, and listed."
        yield "  unlabelled: quarantine"
    yield "  # One class for each value in the labels. Name them: the report does too. Values that"
    yield "  # belong together go into one class; those that are named nowhere are background."
    yield "  classes:"
    for name, values in facts.classes().items():
        some, labelled = facts.with_class(values)
        rare = f"    # in {some} of {counted(labelled, 'case')}" if some < labelled else ""
        yield f"    {name}: {_flow(values)}{rare}"


def _registration(facts: Facts) -> Iterator[str]:
    if len(facts.modalities) == 1:
        way, why = "none", "there is one image per case"
    elif not facts.apart:
        way, why = "none", "the images of each case lie on one grid already"
    elif facts.truth == "image":
        way, why = "header", "each image has its own label, so they need not lie on each other"
    else:
        some = f"{facts.apart} of {counted(len(facts.seen), 'case')}"
        way, why = "elastix", f"in {some}, the images lie on different grids"
    yield "registration:"
    yield f"  method: {way}    # {why}"
    yield f"  fixed: {facts.fixed}    # most labels were drawn on it"
    if not facts.of_ct:
        yield "  body_threshold: null    # MR has no threshold that tells a body from air"
    moving = [kind for name, kind in facts.kinds.items() if name != facts.fixed]
    if not facts.of_ct and (not facts.with_ct or set(moving) != {"CT"}):
        yield "  outside: 0    # what is there where an image ends"


def _preprocessing(facts: Facts) -> Iterator[str]:
    tags = "the files say so" if facts.by_tag else "judged by their values, at least in part"
    kinds = ", ".join(f"{name}: {kind}" for name, kind in facts.kinds.items())
    yield f"# {kinds} ({tags})."
    yield "preprocessing:"
    if facts.of_ct:
        yield "  # As nnU-Net does for CT: HU are clipped and scaled by those in training labels."
        yield "  clip: dataset_foreground"
        yield "  normalise: dataset_foreground"
        yield "  crop: body"
    elif facts.with_ct:
        yield "  # CT and MR together: each image is clipped and scaled by itself."
        yield "  clip: case"
        yield "  normalise: case"
        yield "  crop: none"
    elif facts.stripped:
        yield "  # As nnU-Net does for MR that is zero around the organ (skull-stripped): an image"
        yield "  # has zero mean and unit variance inside."
        yield "  clip: none"
        yield "  normalise: case_nonzero"
        yield "  crop: nonzero"
        yield "recipe: {augmentation: {zero_background: true}}"
    else:
        yield "  # As nnU-Net does for MR: each image has zero mean and unit variance."
        yield "  clip: none"
        yield "  normalise: crop"
        yield "  crop: nonzero"


def _network(facts: Facts) -> Iterator[str]:
    z, y, x = facts.spacing
    thick = ": thick slices" if facts.thick else ""
    yield f"# Voxels of some {z:.3g} x {y:.3g} x {x:.3g} mm (z, y, x){thick}."
    yield "# Spacing, patch, batch, strides and kernels are planned as by nnU-Net v2, from training"
    yield "# cases and the GPU's memory; where it is not 8 GB: `{plan: auto, gpu_memory: 24}`."
    yield "network: auto"


def _splits(facts: Facts) -> Iterator[str]:
    if facts.patients >= _MANY:
        yield f"# {facts.patients} patients with a label: a fifth of them is enough to test on."
        yield "splits: {scheme: holdout, test_fraction: 0.2, validation_fraction: 0}"
    else:
        folds = min(_FOLDS, facts.patients)
        yield f"# {facts.patients} patients with a label are few: {folds} folds test each once."
        yield f"splits: {{scheme: kfold, folds: {folds}, validation_fraction: 0}}"
    if facts.groups:
        shown = ", ".join(f"{name or '(none)'} {count}" for name, count in facts.groups.items())
        yield f"# Every fold has its share of each group ({shown})."


def _methods(facts: Facts) -> Iterator[tuple[str, tuple[dict[str, Any], list[str]]]]:
    """Each method with its settings, and the scenarios that it is tested in."""
    names = list(facts.modalities)
    fused = len(names) > 1 and facts.truth == "case" and facts.complete > 1
    if fused:
        yield "nnunet", ({"type": "nnunet", "label": "nnU-Net"}, ["all"])
    for name in names:
        own = {} if len(names) == 1 else {"modalities": [name]}
        yield f"nnunet_{name}", ({"type": "nnunet", "label": "nnU-Net"} | own, [name])
    if fused:
        tested = ["all", *names]
        yield "maml", ({"type": "maml", "label": "MAML", "scenarios": tested}, tested)


def _of_methods(facts: Facts, methods: dict[str, Any]) -> Iterator[str]:
    yield "# What is there when a patient is segmented."
    yield "scenarios:"
    if "maml" in methods:
        yield f"  all: {_flow(list(facts.modalities))}"
    yield from (f"  {name}: [{name}]" for name in facts.modalities)
    yield ""
    if "maml" in methods:
        yield "# nnU-Net sees all images together, or one. MAML predicts from all or from any one."
    elif len(facts.modalities) > 1:
        yield "# One nnU-Net for each image" + (
            "."
            if facts.truth == "image"
            else ": fewer than two patients have a label and all images."
        )
    yield "# `remodal methods` lists all methods."
    yield "methods:"
    yield from (f"  {name}: {_flow(chosen)}" for name, (chosen, _) in methods.items())


def _table(methods: dict[str, Any]) -> Iterator[str]:
    yield "metrics: {names: [dice, hd95_mm, assd_mm]}"
    yield ""
    yield "tables:"
    yield "  methods:"
    yield "    title: The methods"
    yield "    metrics: [dice, hd95_mm, assd_mm]"
    if "maml" in methods:
        _, tested = methods["maml"]
        yield "    # What the other rows of a scenario are compared with, patient by patient."
        yield f"    reference: {_flow(dict.fromkeys(tested, 'maml'))}"
    yield "    rows:"
    rows = [(scenario, name) for name, (_, tested) in methods.items() for scenario in tested]
    for scenario, name in _in_order(rows):
        yield f"      - {{method: {name}, scenario: {scenario}, heading: {scenario}}}"


def _trial(facts: Facts) -> Iterator[str]:
    if facts.patients < _MANY:
        yield "# A quick trial of all stages needs no more."
        yield "presets: {smoke: {splits: {folds: 2}}}"


def _in_order(rows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Rows of the same scenario together, scenarios in the order of their first row."""
    rows = list(rows)
    order = list(dict.fromkeys(scenario for scenario, _ in rows))
    return sorted(rows, key=lambda row: order.index(row[0]))


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("...\n").strip()
