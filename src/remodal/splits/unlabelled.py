"""Cases without a label: used only for training, and never if their patient is measured."""

from collections.abc import Collection, Mapping, Sequence

from remodal.errors import UserError
from remodal.splits.imported import Fold

#: The sets in which predictions are compared with labels.
MEASURED = ("validation", "test")


def add_unlabelled(
    folds: Sequence[Fold], unlabelled: Collection[str], patients: Mapping[str, str]
) -> dict[str, str]:
    """Put unlabelled cases into the training set of each fold that does not measure their patient.

    The labelled cases have been split before, as if there were no others.

    Args:
        folds: the folds of the labelled cases, changed in place.
        unlabelled: the cases to add.
        patients: patient of each case.

    Returns:
        The cases that are in no fold, with the reason.
    """
    added = set()
    for fold in folds:
        measured = {patients[case] for part in MEASURED for case in fold[part]}
        more = [case for case in unlabelled if patients[case] not in measured]
        fold["train"] = sorted([*fold["train"], *more])
        added.update(more)
    reason = "has no label, and its patient is validated or tested in every fold"
    return {case: f"{case}: {reason}" for case in unlabelled if case not in added}


def require_measurable(fold: Fold, unlabelled: Collection[str], where: str) -> None:
    """Check that an imported fold measures no case without a label.

    Raises:
        UserError: it does.
    """
    for part in MEASURED:
        if found := [case for case in fold[part] if case in unlabelled]:
            raise UserError(
                f"`{part}` has the unlabelled case `{found[0]}`"
                + (f" and {len(found) - 1} more" if found[1:] else ""),
                where=where,
                expected="cases with a label",
                remedy="give its label in the sheet, or move it to `train`",
            )
