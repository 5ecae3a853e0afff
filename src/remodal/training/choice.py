"""Which of a fold's cases a method is trained on, and whose labels it may use."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from remodal.settings import RecipeSettings
from remodal.splits.completeness import lacking
from remodal.splits.recipes import chosen_labels, require_unlabelled
from remodal.training.cases import Stored, WantedLabels

Cases = dict[str, Stored]


@dataclass(frozen=True)
class Choice:
    """The cases of a fold, by what a training does with them.

    Attributes:
        labelled: trained on, with their labels.
        unlabelled: trained on without labels, because they have none or theirs are withheld.
        validation: the validation curve is measured on them.
        incomplete: cases that lack modalities of the method, each with those that it lacks.
        partly: cases that are used although they lack labels, each with the images that lack one.
        unused: usable cases that are neither trained nor measured on, each with the reason.
    """

    labelled: Cases
    unlabelled: Cases = field(default_factory=dict)
    validation: Cases = field(default_factory=dict)
    incomplete: dict[str, list[str]] = field(default_factory=dict)
    partly: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> Cases:
        """All cases that are read."""
        return self.labelled | self.unlabelled | self.validation


def choose_cases(
    train: Mapping[str, Stored],
    validation: Mapping[str, Stored],
    modalities: Sequence[str],
    labels: WantedLabels,
    recipe: RecipeSettings,
    known: Collection[str],
) -> Choice:
    """Choose a method's cases.

    Args:
        train: usable training cases of the fold, in its order.
        validation: usable validation cases.
        modalities: the method's.
        labels: the images whose labels the method is trained with.
        recipe: only its `labelled` and `pools` matter here.
        known: all cases of the study, including quarantined ones.

    Raises:
        UserError: more labelled cases are wanted than there are, a wanted one does not exist or has
            no label, or the recipe has a pool of unlabelled cases and there is no such case.
    """
    lacks = {
        name: lacking(stored.modalities, modalities)
        for name, stored in {**train, **validation}.items()
    }
    complete = {name: stored for name, stored in train.items() if not lacks[name]}
    with_labels = [name for name, stored in complete.items() if labels.of(stored)]
    chosen = chosen_labels(recipe.labelled, with_labels, complete, known)
    others = {n: stored.without_labels() for n, stored in complete.items() if n not in chosen}
    pooled = recipe.takes_unlabelled
    if pooled:
        require_unlabelled(others, len(with_labels))
    why = {
        name: "label withheld, and no pool of unlabelled cases"
        if name in with_labels
        else "unlabelled, and no pool of unlabelled cases"
        for name in (() if pooled else others)
    }
    watched = {name: stored for name, stored in validation.items() if not lacks[name]}
    why |= {
        name: "unlabelled validation case"
        for name, stored in watched.items()
        if not labels.of(stored)
    }
    labelled = {name: stored for name, stored in complete.items() if name in chosen}
    measured = {name: stored for name, stored in watched.items() if name not in why}
    without = {n: lacking(s.labels, labels.images) for n, s in (labelled | measured).items()}
    return Choice(
        labelled=labelled,
        unlabelled=others if pooled else {},
        validation=measured,
        incomplete={name: missing for name, missing in lacks.items() if missing},
        partly={name: missing for name, missing in without.items() if missing},
        unused=why,
    )
