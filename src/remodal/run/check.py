"""Check of a study before anything runs: its methods, their options, its cases."""

from remodal.counting import counted
from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.methods import (
    Asked,
    check_buildable,
    check_options,
    check_patch,
    check_roles,
    check_unlabelled,
    require_method,
)
from remodal.metrics.registry import require_case_metric, require_metric
from remodal.registration.ways import check_registration, mask_of
from remodal.settings import MethodSettings, Settings
from remodal.splits.completeness import lacking, require_enough_patients
from remodal.splits.study import require_possible_recipes


def check_study(settings: Settings) -> str:
    """Check all that can be checked without its files; imports torch, to ask the methods.

    Returns:
        One line on what was found.

    Raises:
        UserError: what is wrong.
    """
    check_registration(settings.registration)
    check_foreign(settings)
    check_metrics(settings)
    for name, method in settings.methods.items():
        require_method(method.type)
        if method.options:
            check_options(method.type, method.options, where=f"methods.{name}.options")
        check_buildable(
            method.type,
            settings.modalities_of(name),
            len(settings.data.classes),
            settings.network,
            method.options,
            _asked_of(settings, name),
            where=f"methods.{name}",
        )
        if method.inputs:
            where, modalities = f"methods.{name}.inputs", settings.modalities_of(name)
            check_roles(method.type, modalities, method.inputs, where)
        where = f"methods.{name}, recipe.pools"
        recipe = settings.recipe_of(name)
        check_unlabelled(method.type, recipe, where)
    if not settings.network.unplanned:
        check_patches(settings)
    cases = cases_of(settings)
    require_enough_patients(settings, cases)
    require_possible_recipes(settings, cases)
    patients = {case.patient for case in cases}
    incomplete = sum(bool(lacking(case.images, settings.data.modalities)) for case in cases)
    said = f"{counted(len(cases), 'case')} of {counted(len(patients), 'patient')}"
    unlabelled = sum(not case.labels for case in cases)
    use = "for training only" if settings.data.unlabelled == "train" else "left out"
    lack = [counted(incomplete, "lacks an image", "lack an image")] if incomplete else []
    lack += [f"{unlabelled} unlabelled, {use}"] if unlabelled else []
    if lack:
        said += f" ({'; '.join(lack)})"
    return f"{said}, {counted(len(settings.methods), 'method')}: ok"


def check_foreign(settings: Settings) -> None:
    """Check that foreign images can be registered, where a scenario wants that.

    Raises:
        UserError: a chosen way of registration needs a mask, which no foreign image has.
    """
    for name, scenario in settings.scenarios.items():
        if scenario.register_foreign and mask_of(settings.registration):
            raise UserError(
                "the study registers images by masks, which foreign ones do not have",
                where=f"scenarios.{name}.register_foreign",
                expected="a way of registration without a mask",
            )


def check_patches(settings: Settings) -> None:
    """Check that the networks of a study take its patches; imports the methods.

    Raises:
        UserError: those of a method do not.
    """
    for name, method in settings.methods.items():
        recipe = settings.recipe_of(name)
        check_patch(method.type, recipe, settings.network, _patch_of(name, method))


def check_metrics(settings: Settings) -> None:
    """Check that there are the metrics that a study measures and shows.

    Raises:
        UserError: an unknown one, or one to be measured that has no value for a single case.
    """
    for name in settings.metrics.names:
        require_case_metric(name, "metrics.names")
    for cell in settings.cells():
        require_metric(cell.metric)
    for claim in settings.claims:
        require_metric(claim.metric)


def _asked_of(settings: Settings, method: str) -> dict[str, Asked]:
    """What the scenarios in which a method is evaluated ask of it."""
    return {
        name: Asked(settings.scenarios[name].present, settings.target_of(name))
        for name in settings.scenarios_of(method)
    }


def _patch_of(name: str, method: MethodSettings) -> str:
    """The setting that holds a method's patch."""
    return f"methods.{name}.recipe.patch" if "patch" in method.recipe else "recipe.patch"
