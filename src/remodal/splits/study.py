"""The split of a study: of its registered cases, and what is known of it before there are any."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from remodal.errors import BadCase, UserError
from remodal.intake.datasets import CaseSource, cases_of
from remodal.results.records import Record, read_record
from remodal.settings import Settings
from remodal.settings.names import label_name
from remodal.splits import SplitCase, make_splits, write_splits
from remodal.splits.completeness import require_usable_folds
from remodal.splits.groups import missing_groups
from remodal.splits.recipes import require_recipes
from remodal.splits.swapped import swapped_images


def split_study(settings: Settings, registered: Path, output: Path) -> None:
    """Split a study's usable cases and write splits.json.

    Quarantined cases are left out of the folds and listed with their reasons; so are unlabelled
    ones, unless `data.unlabelled` is `train`. Besides what `make_splits` returns, the file holds
    the `modalities` of every case, usable or quarantined, and its `labels`, named by the images
    that they were drawn on; an unlabelled case has none. `doubts` says whose images may be swapped,
    if any may.

    Args:
        settings: the study.
        registered: folder of the registered cases; each holds registration.json.
        output: the file to write.

    Raises:
        UserError: a case was not registered, too few patients are left, the split file to import
            does not fit, a method lacks cases to train on, or a scenario has none to test.
    """
    sources = cases_of(settings)
    quarantined, labelled, bright = {}, {}, {}
    for source in sources:
        path = registered / source.case / "registration.json"
        if not path.is_file():
            raise UserError("is missing", where=str(path), remedy="run `remodal register` first")
        record = read_record(path)
        if record.ok:
            labelled[source.case] = bool(record.details["labels"])
            bright[source.case] = _brightness(record)
        else:
            quarantined[source.case] = record.reason
    splits = _split(settings, sources, labelled, quarantined)
    if doubts := swapped_images(bright):
        splits["doubts"] = doubts
        for case, doubt in doubts.items():
            print(f"remodal: {case}: {doubt}", file=sys.stderr)
    # Methods and scenarios decide whether a split is refused, never what it is: adding a method
    # does not change the split.
    require_usable_folds(settings, splits)
    require_recipes(settings, splits)
    for said in missing_groups(splits):
        print(f"remodal: {said}", file=sys.stderr)
    write_splits(output, splits)


def _brightness(record: Record) -> dict[str, float]:
    """How bright a registered case's labels are in the images that they were drawn on."""
    told = (record.details.get(label_name(name), {}) for name in record.details["labels"])
    found = {one["drawn_on"]: one.get("brightness") for one in told if one}
    return {name: value for name, value in found.items() if value is not None}


def require_possible_recipes(settings: Settings, sources: Iterable[CaseSource]) -> None:
    """Check, before anything runs, that each recipe can have the cases that it wants.

    The split is made as if no case will be quarantined, which leaves no fold more cases than it can
    have. Only a study with a recipe that withholds labels or takes unlabelled cases is asked.

    Args:
        settings: the study.
        sources: the cases of its data set.

    Raises:
        UserError: a fold lacks cases for a recipe, or there is no split of these cases.
    """
    recipes = map(settings.recipe_of, settings.methods)
    if any(recipe.takes_unlabelled or recipe.labelled is not None for recipe in recipes):
        sources = list(sources)
        labelled = {source.case: bool(source.labels) for source in sources}
        require_recipes(settings, _split(settings, sources, labelled, {}))


def _split(
    settings: Settings,
    sources: Iterable[CaseSource],
    labelled: Mapping[str, bool],
    quarantined: Mapping[str, str],
) -> dict[str, Any]:
    """The content of splits.json.

    Args:
        settings: the study.
        sources: all its cases.
        labelled: for those that are not quarantined, whether they have a label.
        quarantined: the others, with their reasons.
    """
    usable, left_out = [], dict(quarantined)
    for source in sources:
        if source.case in quarantined:
            continue
        if not labelled[source.case] and settings.data.unlabelled != "train":
            left_out[source.case] = _unlabelled(source.case)
            continue
        # If each image has a label of its own, labels may be missing, as images may.
        present = source.sources if settings.data.truth == "image" else source.images
        case = (source.case, source.patient, source.group, tuple(present), labelled[source.case])
        usable.append(SplitCase(*case))
    everyone = [source.patient for source in sources if source.labels]
    splits = make_splits(usable, settings.splits, left_out, everyone)
    splits["modalities"] = {source.case: list(source.images) for source in sources}
    splits["labels"] = {source.case: list(source.labels) for source in sources}
    return splits


def _unlabelled(case: str) -> str:
    error = BadCase(
        "the label is missing",
        where=case,
        expected="a label on one of its images",
        remedy="add it to the sample sheet, leave the case out, or set data.unlabelled to `train`",
    )
    return str(error)
