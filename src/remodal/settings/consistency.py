"""What one section of a study's settings requires of another."""

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from pydantic import ValidationError

from remodal.settings.figures import PredictionSettings, SurfaceSettings
from remodal.settings.merging import problems
from remodal.settings.names import require_known, require_modalities, require_usable
from remodal.settings.scenarios import require_segmentable
from remodal.settings.tables import Cell, TableSettings

if TYPE_CHECKING:
    from remodal.settings.study import Settings


def require_consistent(settings: "Settings") -> None:
    """Check what one section requires of another.

    Raises:
        ValueError: with the setting and what is wrong with it.
    """
    _recipes_are_valid(settings)
    _unlabelled_cases_are_for_some_method(settings)
    _native_images_need_no_mask(settings)
    _foreign_images_are_registered_to_the_case_s_own(settings)
    _names_are_usable(settings)
    _inputs_exist(settings)
    _what_tables_show_exists(settings)
    _what_figures_show_exists(settings)
    for number, claim in enumerate(settings.claims, 1):
        _require_known_claimed(settings, f"claims {number}", [*claim.first, *claim.second])


def _recipes_are_valid(settings: "Settings") -> None:
    for name, method in settings.methods.items():
        if method.recipe:
            section = f"methods.{name}.recipe"
            try:
                settings.recipe_of(name)
            except ValidationError as error:
                raise ValueError(problems(error, section)) from error
        _require_withheld_unmeasured(settings, name)


def _require_withheld_unmeasured(settings: "Settings", method: str) -> None:
    """Preparation is shared by all methods: it must not measure labels that one withholds."""
    measured = {
        "clip": settings.preprocessing.clip.by,
        "normalise": settings.preprocessing.normalise,
    }
    for key, by in measured.items():
        if by == "dataset_foreground" and settings.recipe_of(method).labelled is not None:
            raise ValueError(
                f"preprocessing.{key}: `{by}` would measure the labels that the recipe of "
                f"`{method}` withholds; choose another"
            )


def _unlabelled_cases_are_for_some_method(settings: "Settings") -> None:
    takes = (settings.recipe_of(name).takes_unlabelled for name in settings.methods)
    if settings.data.unlabelled == "train" and not any(takes):
        raise ValueError(
            "data.unlabelled: no method has a pool of unlabelled cases to train on; give one "
            "its recipe.pools, or set it to `quarantine`"
        )


def _native_images_need_no_mask(settings: "Settings") -> None:
    for name, scenario in settings.scenarios.items():
        if scenario.space == "native" and settings.preprocessing.crop.by == "mask":
            raise ValueError(
                f"scenarios.{name}.space: `native` has no mask to crop an image by, since "
                "preprocessing.crop.mask lies on the registered images; crop another way, "
                "or set it to `registered`"
            )


def _foreign_images_are_registered_to_the_case_s_own(settings: "Settings") -> None:
    fixed = settings.registration.fixed
    for name, scenario in settings.scenarios.items():
        where = f"scenarios.{name}.register_foreign"
        if scenario.register_foreign and fixed not in scenario.own:
            raise ValueError(f"{where}: the fixed image, {fixed}, must be the case's own")
        if scenario.register_foreign and settings.preprocessing.crop.by == "mask":
            raise ValueError(f"{where}: preprocessing.crop.mask is not read for such images")


def _names_are_usable(settings: "Settings") -> None:
    named = {
        "data.modalities": settings.data.modalities,
        "data.classes": settings.data.classes,
        "data.regions": settings.data.regions,
        "methods": settings.methods,
        "scenarios": settings.scenarios,
        "averages": settings.averages,
        "scenarios and averages": settings.shown,
        "tables": settings.tables,
    }
    for where, names in named.items():
        require_usable(where, list(names))
    require_modalities(settings.data.modalities)


def _inputs_exist(settings: "Settings") -> None:
    known = set(settings.data.modalities)
    require_known("registration.fixed", [settings.registration.fixed], settings.data.originals)
    require_known("registration.by_modality", settings.registration.by_modality, known)
    for name, method in settings.methods.items():
        require_known(f"methods.{name}.modalities", method.modalities, known)
        require_known(f"methods.{name}.scenarios", method.scenarios, settings.scenarios)
        require_known(f"methods.{name}.inputs", method.inputs.values(), settings.methods)
    require_known("compute.first", settings.compute.first, settings.methods)
    for name, scenario in settings.scenarios.items():
        require_segmentable(name, scenario, settings.data.modalities, settings.data.truth)
    for name, averaged in settings.averages.items():
        require_usable(f"averages.{name}", averaged)
        require_known(f"averages.{name}", averaged, settings.scenarios)
        if len(averaged) < 2:
            raise ValueError(f"averages.{name}: name two scenarios or more")
    if settings.noise is not None:
        require_known("noise.method", [settings.noise.method], settings.methods)
        known_scenarios = settings.scenarios_of(settings.noise.method)
        require_known("noise.scenarios", settings.noise.scenarios, known_scenarios)


def _what_tables_show_exists(settings: "Settings") -> None:
    for name, table in settings.tables.items():
        _require_known_cells(settings, name, table)
        require_known(f"tables.{name}.reference", table.reference, settings.shown)
        require_known(f"tables.{name}.reference", table.reference.values(), settings.methods)


def _what_figures_show_exists(settings: "Settings") -> None:
    known = set(settings.data.modalities)
    for number, shown in enumerate(settings.figures.surfaces, 1):
        _require_known_surfaces(settings, f"figures.surfaces {number}", shown)
    for number, truths in enumerate(settings.figures.truths, 1):
        where = f"figures.truths {number}"
        require_known(f"{where}, images", truths.images, known)
        require_known(f"{where}, region", filter(None, [truths.region]), settings.data.regions)
    for number, pictures in enumerate(settings.figures.predictions, 1):
        _require_pictured(settings, f"figures.predictions {number}", pictures)
    for number, against in enumerate(settings.figures.against, 1):
        _require_known_claimed(settings, f"figures.against {number}", against.cells)


def _require_known_claimed(settings: "Settings", where: str, cells: Iterable[Cell]) -> None:
    for cell in cells:
        require_known(where, [cell.method], settings.methods)
        require_known(where, [cell.scenario], settings.shown)
        require_known(f"{where}, region", filter(None, [cell.region]), settings.data.regions)


def _require_pictured(settings: "Settings", where: str, pictures: PredictionSettings) -> None:
    require_known(f"{where}, region", filter(None, [pictures.region]), settings.data.regions)
    for cell in pictures.cells:
        require_known(where, [cell.method], settings.methods)
        require_known(where, [cell.scenario], settings.scenarios_of(cell.method))
        scenario = settings.scenarios[cell.scenario]
        if scenario.foreign or scenario.space != "registered" or cell.region or cell.group:
            raise ValueError(
                f"{where}: a picture is of a scenario of registered images of the case itself, "
                f"and of the figure's region, not of a group; `{cell.scenario}` of "
                f"{cell.method} is not"
            )


def _require_known_surfaces(settings: "Settings", where: str, shown: SurfaceSettings) -> None:
    require_known(f"{where}, table", [shown.table], settings.tables)
    measured = {
        cell.scenario
        for row in settings.cells_of(settings.tables[shown.table])
        for cell in row
        if cell.scenario in settings.scenarios and cell.metric
    }
    if shown.scenario or len(measured) != 1:
        require_known(f"{where}, scenario", [shown.scenario], sorted(measured))
    require_known(f"{where}, region", filter(None, [shown.region]), settings.data.regions)


def _require_known_cells(settings: "Settings", name: str, table: TableSettings) -> None:
    try:
        cells = settings.cells_of(table)
    except ValueError as error:
        raise ValueError(f"tables.{name}: {error}") from None
    for cell in chain.from_iterable(cells):
        where = f"tables.{name}, `{cell.name}`"
        if cell.method:
            require_known(where, [cell.method], settings.methods)
        if cell.scenario:
            known = settings.shown_of(cell.method) if cell.method else settings.shown
            require_known(where, [cell.scenario], known)
        if cell.minus_method:
            require_known(f"{where}, minus_method", [cell.minus_method], settings.methods)
        if cell.taken_off:
            shown = settings.shown_of(cell.minus_method or cell.method)
            require_known(f"{where}, minus", [cell.minus or cell.scenario], shown)
        if cell.region:
            require_known(where, [cell.region], settings.data.regions)
        if modality := cell.modality:
            require_known(where, [modality], settings.data.modalities)
