"""What each stage depends on: the settings it reads and the module that runs it.

Snakemake sees neither which part of a settings file a job reads nor the code of an imported
module, so every rule carries both as one parameter: change one and just its jobs run again.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from remodal.extensions import require
from remodal.results.files import sha256
from remodal.results.provenance import code_hash
from remodal.settings import Settings


class Stage(NamedTuple):
    """The module that runs a stage, the dotted settings that it reads, a folder of files it fills.

    `*` among the settings means all of them. `chosen` is what settings choose by name: a group of
    `remodal.extensions`, and the names.
    """

    module: str
    reads: tuple[str, ...] = ()
    templates: str = ""
    chosen: tuple[str, Callable[[Settings], list[str]]] | None = None


_DATA = ("data.modalities", "data.copies", "data.truth", "data.classes", "data.empty_label")

STAGES = {
    "simulate": Stage("remodal.phantom.simulate", ("simulation", "data.source")),
    "convert": Stage("remodal.intake.convert"),
    "register": Stage(
        "remodal.registration.case",
        ("registration", *_DATA, "data.flipped_label"),
        chosen=("remodal.registration", lambda settings: settings.registration.ways),
    ),
    "split": Stage("remodal.splits", ("splits", "data.name", "data.truth", "data.unlabelled")),
    "plan-network": Stage(
        "remodal.preprocessing.plan",
        ("preprocessing", "network", "methods", *_DATA),
        chosen=(
            "remodal.methods",
            lambda settings: sorted({method.type for method in settings.methods.values()}),
        ),
    ),
    "fingerprint": Stage("remodal.preprocessing", ("preprocessing", *_DATA)),
    "preprocess": Stage("remodal.preprocessing", ("preprocessing", *_DATA)),
    "inventory": Stage("remodal.preprocessing.inventory"),
    "train": Stage("remodal.training.loop", ("network", "registration", *_DATA)),
    "infer": Stage("remodal.inference.fold", ("inference",)),
    "evaluate": Stage(
        "remodal.metrics.evaluate",
        ("metrics.names", "metrics.lesion_overlap", "data.classes", "data.regions"),
    ),
    "tabulate": Stage(
        "remodal.report.tables",
        (
            *("metrics", "methods", "scenarios", "averages", "tables", "claims", "noise", "data"),
            *("published", "seeds", "preset", "recipe"),
        ),
    ),
    # The page shows the whole configuration.
    "report": Stage("remodal.report.page", ("*",), "report/templates"),
    "track": Stage("remodal.tracking.merge", ("methods", "scenarios", "tracking")),
}


def depends_on(
    settings: Settings,
    stage: str,
    method: str | None = None,
    module: str | None = None,
    scenario: str | None = None,
) -> str:
    """Digest of everything that a stage's result depends on, apart from its input files.

    `compute` is never part of it, because it changes no result.

    Args:
        settings: effective settings.
        stage: key of `STAGES`.
        method: for `train`, the method: its own settings and file and its recipe count too.
        module: for a stage that uses a module chosen by the settings, that module's dotted name.
        scenario: for `infer`, the scenario: another one changes nothing.
    """
    described = STAGES[stage]
    parts: dict[str, Any] = {key: _read(settings, key) for key in described.reads}
    parts["code"] = _code(described.module)
    if described.templates:
        folder = Path(__file__).parents[1] / described.templates
        parts["templates"] = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    if described.chosen:
        group, names = described.chosen
        modules = [require(group, name, "name", where=stage).module for name in names(settings)]
        parts["chosen code"] = list(map(_code, modules))
    if method is not None:
        shown = {"label", "scenarios", "recipe"}
        parts["method"] = settings.methods[method].model_dump(mode="json", exclude=shown)
        parts["recipe"] = settings.recipe_of(method).described()
        chosen = require("remodal.methods", settings.methods[method].type, "method")
        parts["method code"] = _code(chosen.module)
    if module is not None:
        parts["module code"] = _code(module)
    if scenario is not None:
        parts["scenario"] = settings.scenarios[scenario].model_dump(mode="json")
        if settings.scenarios[scenario].register_foreign:
            parts["registration"] = _read(settings, "registration")
    return _digest(parts)


def settings_digest(settings: Settings) -> str:
    """Digest of all effective settings: two reports with the same digest can be compared."""
    return _digest(_read(settings, "*"))


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


_code = cache(code_hash)


def _read(settings: Settings, key: str) -> Any:
    value: Any = settings.model_dump(mode="json", exclude={"compute"})
    options = settings.registration.options
    value["registration"]["options"] = {w: options.get(w, {}) for w in settings.registration.ways}
    # A digest sorts keys, and the order of classes numbers them.
    value["data"]["classes"] = list(value["data"]["classes"].items())
    if key == "*":
        return value
    value["network"].pop("planned", None)  # told in the report, and changes nothing
    for part in key.split("."):
        value = value[part]
    return value
