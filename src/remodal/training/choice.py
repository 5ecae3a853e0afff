"""Which of a fold's cases a method is trained on, and whose labels it may use."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from remodal.errors import UserError
from remodal.settings import RecipeSettings
from remodal.splits.completeness import lacking
from remodal.training.cases import Stored, has_labels

Cases = dict[str, Stored]


@dataclass(frozen=True)
class Choice:
    """The cases of a fold, by what a training does with them.

    Attributes:
        labelled: trained on, with their labels.
        unlabelled: trained on without labels, because they have none or theirs are withheld.
        validation: the validation curve is measured on them.
        incomplete: cases that lack modalities of the method, each with those that it lacks.
        unused: usable cases that are neither trained nor measured on, each with the reason.
    """

    labelled: Cases
    unlabelled: Cases = field(default_factory=dict)
    validation: Cases = field(default_factory=dict)
    incomplete: dict[str, list[str]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> Cases:
        """All cases that are read."""
        return self.labelled | self.unlabelled | self.validation


def choose_cases(
    train: Mapping[str, Stored],
    validation: Mapping[str, Stored],
    modalities: Sequence[str],
    labels: Sequence[str],
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
    with_labels = [name for name, stored in complete.items() if has_labels(stored, labels)]
    chosen = _wanted(recipe.labelled, with_labels, complete, known)
    others = {n: stored.without_labels() for n, stored in complete.items() if n not in chosen}
    pooled = recipe.takes_unlabelled
    if pooled and not others:
        raise UserError(
            "no unlabelled training case for a pool of them",
            where="recipe.pools",
            expected="cases without labels, or `recipe.labelled` below the "
            f"{len(with_labels)} labelled ones",
        )
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
        if not has_labels(stored, labels)
    }
    return Choice(
        labelled={name: stored for name, stored in complete.items() if name in chosen},
        unlabelled=others if pooled else {},
        validation={name: stored for name, stored in watched.items() if name not in why},
        incomplete={name: missing for name, missing in lacks.items() if missing},
        unused=why,
    )


def _wanted(
    wanted: int | Sequence[str] | None,
    there: Sequence[str],
    train: Collection[str],
    known: Collection[str],
) -> set[str]:
    """The training cases whose labels are used, among those that have labels.

    A count takes the first ones (the convention of the repositories that compare semi-supervised
    methods: the first lines of the training list). From a list, cases that are not training cases
    of this fold are left out.
    """
    if wanted is None:
        return set(there)
    if isinstance(wanted, int):
        if wanted > len(there):
            raise UserError(
                f"{wanted} labelled cases wanted, {len(there)} there",
                where="recipe.labelled",
                expected="no more than the fold's training cases with labels and all modalities",
            )
        return set(there[:wanted])
    _refuse("is no case of the study", [name for name in wanted if name not in known])
    _refuse("has no label", [name for name in wanted if name in train and name not in there])
    return set(wanted) & set(there)


def _refuse(why: str, names: Iterable[str]) -> None:
    for name in names:
        raise UserError(f"`{name}` {why}", where="recipe.labelled", expected="labelled cases")
