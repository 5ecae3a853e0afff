"""The folder of NIH Pancreas-CT as TCIA distributes it."""

from typing import TYPE_CHECKING

from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, require_images_of
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
    require_images_of(settings, [MODALITY], "Pancreas-CT")
    folder = named_folder(settings, "the folder of TCIA's Pancreas-CT and its labels")
    return [case_source(case) for case in find_cases(folder)]


def case_source(case: PancreasCase) -> CaseSource:
    """A case of Pancreas-CT as a case of a study."""
    label = case.label and LabelSource(
        (case.label,), renumbered=((PANCREAS, PANCREAS),), by_slice_number=True
    )
    labels = {MODALITY: label} if label else {}
    return CaseSource(case.name, case.patient, "", {MODALITY: case.series}, labels)
