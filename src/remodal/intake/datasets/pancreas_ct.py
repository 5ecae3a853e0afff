"""The folder of NIH Pancreas-CT as TCIA distributes it."""

from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.intake.pancreas_ct import MODALITY, PANCREAS, PancreasCase, find_cases

if TYPE_CHECKING:
    from remodal.settings import Settings


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases of the folder `data.folder`; one without a label is unlabelled.

    Raises:
        UserError: no folder is named, it is none of Pancreas-CT, or the study wants another
            modality.
    """
    require_ct(settings)
    if settings.data.folder is None:
        raise UserError(
            "no folder is named",
            where="data.folder",
            expected="the folder of TCIA's Pancreas-CT and its labels",
            remedy="add `data: {folder: PATH}`, or `data.folder=PATH` to the command",
        )
    return [case_source(case) for case in find_cases(settings.data.folder)]


def require_ct(settings: "Settings") -> None:
    """Check that a study asks for no other modality.

    Raises:
        UserError: it does.
    """
    for modality in settings.data.modalities:
        if modality != MODALITY:
            raise UserError(
                f"`{modality}` is not in Pancreas-CT", where="data.modalities", expected=MODALITY
            )


def case_source(case: PancreasCase) -> CaseSource:
    """A case of Pancreas-CT as a case of a study."""
    label = case.label and LabelSource(
        (case.label,), renumbered=((PANCREAS, PANCREAS),), by_slice_number=True
    )
    labels = {MODALITY: label} if label else {}
    return CaseSource(case.name, case.patient, "", {MODALITY: case.series}, labels)
