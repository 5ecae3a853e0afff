"""Check of a study before anything runs: its methods, their options, its cases."""

import subprocess
import sys
import tempfile
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.methods import (
    check_buildable,
    check_options,
    check_roles,
    check_unlabelled,
    require_method,
)
from remodal.registration.ways import check_registration
from remodal.run.plan import Plan
from remodal.settings import Settings
from remodal.settings.composition import write_settings
from remodal.splits.completeness import lacking, require_enough_patients


def check_study(settings: Settings) -> str:
    """Check all that can be checked without its files; imports torch if a method must be asked.

    Returns:
        One line on what was found.

    Raises:
        UserError: what is wrong.
    """
    check_registration(settings.registration)
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
                where=f"methods.{name}",
            )
        if method.inputs:
            where, modalities = f"methods.{name}.inputs", settings.modalities_of(name)
            check_roles(method.type, modalities, method.inputs, where)
        where = f"methods.{name}, recipe.pools"
        check_unlabelled(method.type, settings.recipe_of(name), where)
    cases = cases_of(settings)
    require_enough_patients(settings, cases)
    patients = {case.patient for case in cases}
    incomplete = sum(bool(lacking(case.images, settings.data.modalities)) for case in cases)
    said = f"{len(cases)} cases of {len(patients)} patients"
    unlabelled = sum(not case.labels for case in cases)
    use = "for training only" if settings.data.unlabelled == "train" else "left out"
    lack = {"without every modality": incomplete, f"unlabelled, {use}": unlabelled}
    if any(lack.values()):
        said += f" ({'; '.join(f'{count} {what}' for what, count in lack.items() if count)})"
    return f"{said}, {len(settings.methods)} methods: ok"


def check_masks(plan: Plan) -> None:
    """Check that another study has predicted the masks that register or crop this study's cases.

    Raises:
        UserError: it was not run, or none of its models may make the mask of a case.
    """
    for case in plan.cases:
        plan.registration_masks(case)
        plan.crop_mask(case)


def check_names(settings: Settings) -> None:
    """Check the registration and the methods that a study names, without importing a method here.

    For the Snakefile.

    Only a method knows its options and whether it learns from unlabelled cases. Asking it needs
    torch, which takes seconds and memory, so a process of its own does that.

    Raises:
        UserError: an unknown method or way of registration, an option that it does not have or
            take, or unlabelled samples for a method that cannot use them.
    """
    check_registration(settings.registration)
    for method in settings.methods.values():
        require_method(method.type)
    if not any(
        method.options or settings.recipe_of(name).takes_unlabelled
        for name, method in settings.methods.items()
    ):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        write_settings(path, settings)
        command = [sys.executable, "-m", "remodal", "check", "--no-files", "--settings", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["the check of the methods failed"])[-1]
        raise UserError(last.removeprefix("remodal: "))
