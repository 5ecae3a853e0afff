"""Which cases train a method and are tested in a scenario: those that have all that it needs.

A case may lack a modality. Nothing stands in for a missing image: a method is trained on the cases
that have all of its modalities, and a scenario is tested on those that have all it names. The same
holds for labels, if each image has its own.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.settings import Settings

#: One to train on and one to test on.
FEWEST_PATIENTS = 2


def lacking(present: Collection[str], wanted: Iterable[str]) -> list[str]:
    """The wanted modalities that are missing, in the order in which they are wanted."""
    return [modality for modality in wanted if modality not in present]


def left_out(settings: Settings, splits: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """For each scenario, the test cases that it cannot be tried on, with what each lacks.

    Args:
        settings: the study.
        splits: content of splits.json.
    """
    folds = range(len(splits["folds"]))
    return {
        scenario: dict(
            sorted(
                (case, names)
                for fold in folds
                for case, names in left_out_of(settings, splits, scenario, fold).items()
            )
        )
        for scenario in settings.scenarios
    }


def left_out_of(
    settings: Settings, splits: Mapping[str, Any], scenario: str, fold: int
) -> dict[str, list[str]]:
    """The test cases of a fold that a scenario cannot be tried on, with what each lacks.

    A case may lack one of its own images, the label of the image to segment, or another patient's
    images to use.
    """
    chosen, tested = settings.scenarios[scenario], splits["folds"][fold]["test"]
    target = settings.target_of(scenario)
    found = {}
    for case in tested:
        lacks = lacking(splits["modalities"][case], chosen.own)
        if target and target not in splits["labels"][case]:
            lacks.append(f"the label of {target}")
        if chosen.foreign and not partners(case, tested, splits, chosen.foreign):
            lacks.append(f"{' and '.join(chosen.foreign)} of another patient")
        if lacks:
            found[case] = lacks
    return found


def partners(
    case: str, tested: Iterable[str], splits: Mapping[str, Any], foreign: Iterable[str]
) -> list[str]:
    """The cases whose images may replace a case's own: other patients of the same test set.

    Args:
        case: a test case.
        tested: the test cases of its fold, none of which was trained on.
        splits: content of splits.json.
        foreign: the images that are to come from another patient.
    """
    patients, present, wanted = splits["patients"], splits["modalities"], list(foreign)
    return sorted(
        other
        for other in tested
        if patients[other] != patients[case] and not lacking(present[other], wanted)
    )


def require_enough_patients(settings: Settings, cases: Iterable[CaseSource]) -> None:
    """Check, before anything runs, that every method and scenario can have enough cases.

    Raises:
        UserError: fewer than two patients have the images and labels that a method or scenario
            needs.
    """
    cases = list(cases)
    for who, needs in {**_methods(settings), **_scenarios(settings)}.items():
        patients = {case.patient for case in cases if needs.met(case.images, case.labels)}
        if len(patients) < FEWEST_PATIENTS:
            raise UserError(
                f"labelled patients with {needs}, which {who} needs: {len(patients)}",
                where=f"data `{settings.data.name}`",
                expected=f"at least {FEWEST_PATIENTS}, to train on one and test on the other",
                remedy="add cases, or take it out of the study",
            )


def require_usable_folds(settings: Settings, splits: Mapping[str, Any]) -> None:
    """Check that every method has a training case in each fold, and every scenario a test case.

    Training cases without a label do not count.

    Args:
        settings: the study.
        splits: content of splits.json.

    Raises:
        UserError: a method or scenario has none.
    """
    present, labels, folds = splits["modalities"], splits["labels"], splits["folds"]
    sets = {f"training set of fold {n}": fold["train"] for n, fold in enumerate(folds)}
    wanted = [(who, needs, part) for who, needs in _methods(settings).items() for part in sets]
    sets["test set"] = [case for fold in folds for case in fold["test"]]
    wanted += [(who, needs, "test set") for who, needs in _scenarios(settings).items()]
    for who, needs, part in wanted:
        if not any(needs.met(present[case], labels[case]) for case in sets[part]):
            raise UserError(
                f"no labelled case of the {part} has {needs}, which {who} needs",
                where="splits",
                expected="at least one",
                remedy="add such cases, or change splits.folds, splits.test_fraction, "
                "splits.validation_fraction or splits.seed",
            )


class Needs(NamedTuple):
    """What a labelled case must have: all of `images`, and a label of at least one of `labels`.

    `labels` is empty if the images of a case share one truth: then any label will do.
    """

    images: list[str]
    labels: list[str]

    def __str__(self) -> str:
        said = f"{' and '.join(self.images)} image{'s' if len(self.images) > 1 else ''}"
        return f"{said} and the label of {' or '.join(self.labels)}" if self.labels else said

    def met(self, images: Collection[str], labels: Collection[str]) -> bool:
        """Whether a case with these images and labels has them."""
        useful = set(labels) & set(self.labels) if self.labels else labels
        return bool(useful) and not lacking(images, self.images)


def needs_of(settings: Settings, method: str) -> Needs:
    """What a method needs to be trained.

    Only the method knows which labels it learns from; it needs the label of at least one image.
    """
    labels = settings.labels_of(method) if settings.data.truth == "image" else []
    return Needs(settings.modalities_of(method), labels)


def _methods(settings: Settings) -> dict[str, Needs]:
    """What each method needs to be trained; one that builds on other methods may need no case."""
    return {
        f"method `{name}`": needs_of(settings, name)
        for name, chosen in settings.methods.items()
        if not chosen.inputs
    }


def _scenarios(settings: Settings) -> dict[str, Needs]:
    """What each scenario in which a method is evaluated needs."""
    return {
        f"scenario `{name}`": Needs(
            settings.scenarios[name].present, list(filter(None, [settings.target_of(name)]))
        )
        for method in settings.methods
        for name in settings.scenarios_of(method)
    }
