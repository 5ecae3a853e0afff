"""Whether there are the labelled and unlabelled cases that a method's recipe takes samples from.

This is asked of each fold, before anything runs and when the study is split (splits.study), and of
the prepared cases at the start of a training (training.choice).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from remodal.errors import UserError
from remodal.settings import Settings
from remodal.splits.completeness import lacking, needs_of


def require_recipes(settings: Settings, splits: Mapping[str, Any]) -> None:
    """Check that each fold's training set has the cases that each recipe wants.

    Args:
        settings: the study.
        splits: content of splits.json.

    Raises:
        UserError: more labelled cases are wanted than there are, a wanted one does not exist or has
            no label, or a recipe has a pool of unlabelled cases and there is no such case.
    """
    for number, fold in enumerate(splits["folds"]):
        for method in settings.methods:
            _require(settings, method, splits, fold["train"], f"the training set of fold {number}")


def _require(
    settings: Settings, method: str, splits: Mapping[str, Any], train: Sequence[str], among: str
) -> None:
    """Check one method's recipe; one that builds on other methods may need no case.

    Only the method knows which labels it learns from. Where each image has a label of its own, a
    case with some of them may therefore count as labelled or as unlabelled.
    """
    recipe, needs = settings.recipe_of(method), needs_of(settings, method)
    if settings.methods[method].inputs:
        return
    where, known, labels = f"methods.{method}, recipe", splits["modalities"], splits["labels"]
    complete = [case for case in train if not lacking(known[case], needs.images)]
    there = [case for case in complete if needs.met(known[case], labels[case])]
    chosen = chosen_labels(recipe.labelled, there, complete, known, f"{where}.labelled", among)
    if recipe.takes_unlabelled:
        surely = {case for case in chosen if not lacking(labels[case], needs.labels)}
        require_unlabelled({*complete} - surely, len(there), f"{where}.pools", among)


def chosen_labels(
    wanted: int | Sequence[str] | None,
    there: Sequence[str],
    cases: Collection[str],
    known: Collection[str],
    where: str = "recipe.labelled",
    among: str = "the training set",
) -> set[str]:
    """The cases whose labels are used, among those that have labels.

    A count takes the first ones (the convention of the repositories that compare semi-supervised
    methods: the first lines of the training list). From a list, cases that are not among `cases`
    are left out.

    Args:
        wanted: `recipe.labelled`.
        there: the cases with labels, in the order in which a count takes them.
        cases: these and the unlabelled ones.
        known: all cases of the study, including quarantined ones.
        where: the setting, for the error message.
        among: what `cases` are, for the error message.

    Raises:
        UserError: more are wanted than there are, or one that does not exist or has no label.
    """
    if wanted is None:
        return set(there)
    if isinstance(wanted, int):
        if wanted > len(there):
            raise UserError(
                f"{wanted} labelled cases wanted, {len(there)} there",
                where=where,
                expected=f"no more than the cases of {among} with labels and all modalities",
                remedy="lower it, or add labels",
            )
        return set(there[:wanted])
    _refuse("is no case of the study", [name for name in wanted if name not in known], where)
    unlabelled = [name for name in wanted if name in cases and name not in there]
    _refuse("has no label", unlabelled, where)
    return set(wanted) & set(there)


def require_unlabelled(
    cases: Collection[str],
    labelled: int,
    where: str = "recipe.pools",
    among: str = "the training set",
) -> None:
    """Check that there is a case for a pool of unlabelled ones.

    Args:
        cases: those without a label, and those whose label is withheld.
        labelled: how many cases have labels.
        where: the setting, for the error message.
        among: where the cases are from, for the error message.

    Raises:
        UserError: there is none.
    """
    if not cases:
        raise UserError(
            f"no unlabelled case in {among} for a pool of them",
            where=where,
            expected="cases without labels, or withheld labels",
            remedy=f"set recipe.labelled below {labelled}, as many as have labels; or add cases "
            "without labels and set data.unlabelled to `train`",
        )


def _refuse(why: str, names: Iterable[str], where: str) -> None:
    for name in names:
        raise UserError(f"`{name}` {why}", where=where, expected="labelled cases")
