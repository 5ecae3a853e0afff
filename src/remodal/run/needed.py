"""Studies whose predictions another study needs: found, checked, and run by the same Snakemake.

Snakemake takes each of them as a module, whose rules are named after the study and the stage. What
a profile asks for by the name of a rule holds for the rules of modules too.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.registration.ways import mask_of, masked_images
from remodal.results.rule_names import MARK
from remodal.settings import MaskSettings, Settings
from remodal.settings.composition import compose
from remodal.settings.places import CONFIG


def needed_studies(settings: Settings, folder: Path = CONFIG) -> dict[str, Settings]:
    """The studies that predict the masks of this one, by the names of their folders.

    Those that predict their masks are among them. All run on the same machine, as strictly as this
    one.

    Args:
        settings: of the study.
        folder: holds `studies/` and `presets/`.

    Raises:
        UserError: no such study, one that has no such method, scenario, seed or class, one that
            does not test each case, or one whose data set this study fills itself.
    """
    found: dict[str, Settings] = {}
    todo = [settings]
    while todo:
        study = todo.pop()
        for mask in [*registration_masks(study), *crop_masks(study)]:
            if mask.study == settings.study_id:
                raise UserError("a study cannot predict its own masks", where=f"study {mask.study}")
            if mask.study not in found:
                found[mask.study] = _composed(mask.study, study, folder)
                todo.append(found[mask.study])
            _require_whole(mask, found[mask.study], study)
    return found


def registration_masks(settings: Settings) -> list[MaskSettings]:
    """The masks, predicted by other studies, that a study registers its images by."""
    registration = settings.registration
    masked = masked_images(registration, settings.data.modalities)
    return _predicted(mask_of(registration), map(settings.data.original, masked))


def crop_masks(settings: Settings) -> list[MaskSettings]:
    """The masks, predicted by other studies, that a study may crop its images by.

    A case is cropped by that of its fixed image or, if it lacks that one, of another.
    """
    return _predicted(settings.preprocessing.crop.mask, settings.data.originals)


def _predicted(mask: MaskSettings | None, images: Iterable[str]) -> list[MaskSettings]:
    if mask is None or not mask.study:
        return []
    found: list[MaskSettings] = []
    for one in map(mask.of, images):
        if one not in found:
            found.append(one)
    return found


def config_of(settings: Settings) -> dict[str, Any]:
    """What Snakemake's `config` holds for a study that another one needs."""
    compute = settings.compute.model_dump(mode="json", exclude={"first"})
    return {
        **{"study": settings.study, "preset": settings.preset},
        **{"strict": settings.strict, "compute": compute},
    }


def ask_as_profile(modules: Sequence[str], resources: Any) -> None:
    """Let what a profile asks for by the name of a rule hold for the same rule of each module.

    Snakemake keeps what it reads of these settings at its first rule, so this has to come before.

    Args:
        modules: as `module_of`.
        resources: Snakemake's settings of resources, which are changed.
    """
    resources.overwrite_resources = _repeated(resources.overwrite_resources, modules)
    resources.overwrite_threads = _repeated(resources.overwrite_threads, modules)


def group_as_profile(workflow: Any) -> None:
    """Let the jobs of modules travel in groups as a profile says for the same rules.

    Each module has groups of its own: a group of two studies would wait for itself where one study
    needs what the other predicts. Snakemake knows the profile's groups only after the last rule, so
    each rule gets a function.

    Args:
        workflow: Snakemake's, with all rules.
    """
    for rule in workflow.rules:
        stays = rule.norun or rule.name in workflow._localrules  # `is_local` counts only later
        if MARK in rule.name and not stays:
            rule.group = partial(_group_of, workflow, rule.name)


def _group_of(workflow: Any, rule: str, wildcards: Any) -> str | None:
    """Group of a rule of a module; the size of the groups is that of the study's own."""
    module, _, stage = rule.rpartition(MARK)
    group = workflow.group_settings.overwrite_groups.get(stage)
    if group is None:
        return None
    own = f"{module}{MARK}{group}"
    workflow.parent_groupids[own] = group
    return own


def _repeated(asked: Mapping[str, Any], modules: Sequence[str]) -> dict[str, Any]:
    own = {name: what for name, what in asked.items() if MARK not in name}
    of_modules = {f"{module}{name}": what for module in modules for name, what in own.items()}
    return of_modules | dict(asked)


def _composed(study: str, settings: Settings, folder: Path) -> Settings:
    """Settings of a needed study.

    Raises:
        UserError: no such study or preset, or a wrong key.
    """
    name, _, preset = study.rpartition("-")
    own = config_of(settings) | {"study": name, "preset": preset}
    try:
        return compose(own, folder)
    except UserError as error:
        raise UserError(
            f"study {study} makes the masks of this one, but: {error}", where=settings.study_id
        ) from error


def _require_whole(mask: MaskSettings, needed: Settings, settings: Settings) -> None:
    """Require that a study predicts a mask, of every case.

    Raises:
        UserError: it does not.
    """
    where = f"study {mask.study}"
    scenarios = needed.scenarios_of(mask.method) if mask.method in needed.methods else []
    classes = list(needed.data.classes)
    for what, names, among in (
        ("method", [mask.method], list(needed.methods)),
        ("scenario", [mask.scenario], scenarios),
        ("seed", [mask.seed], needed.seeds),
        ("class", mask.classes, classes),
    ):
        for name in names:
            if name not in among:
                known = ", ".join(map(str, among))
                raise UserError(f"has no {what} `{name}`", where=where, expected=f"one of {known}")
    if needed.data_id == settings.data_id:
        raise UserError(
            f"fills the data set `{needed.data.name}`, as the study that needs its masks does",
            where=where,
            expected="a data set of its own",
            remedy="give it another data.name",
        )
    if needed.splits.scheme == "holdout":
        raise UserError(
            "tests some of the cases only, but a mask is made by a model that did not train on "
            "the patient",
            where=where,
            expected="a study in which each case is tested once",
            remedy="set its splits.scheme to `kfold`",
        )
