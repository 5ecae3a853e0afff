"""The folder of the BraTS challenge as it is distributed, from 2017 to 2023."""

from typing import TYPE_CHECKING

from remodal.intake.brats import SEQUENCES, BratsCase, find_cases
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, require_images_of
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases of the folder `data.folder`, each with its grade as its group.

    A case may lack a sequence; one without a label is unlabelled. The enhancing tumour has the
    value 4, also of years that call it 3.

    Raises:
        UserError: no folder is named, it is none of BraTS, or the study wants another modality.
    """
    require_images_of(settings, SEQUENCES, "BraTS")
    folder = named_folder(settings, "the unpacked folder of BraTS")
    return [case_source(case, settings) for case in find_cases(folder)]


def case_source(case: BratsCase, settings: "Settings") -> CaseSource:
    """A case of BraTS as a case of a study; the label is said to be drawn on the fixed image."""
    wanted = settings.data.modalities
    images = {name: case.images[name] for name in wanted if name in case.images}
    if not images:
        # It stays in the data set, so that its conversion says what is wrong.
        missing = case.folder / f"{case.layout.image_name(case.folder.name, wanted[0])}.nii.gz"
        images = {wanted[0]: missing}
    labels = {}
    if case.label:
        drawn_on = settings.registration.reference(images)
        labels[drawn_on] = LabelSource((case.label,), renumbered=case.layout.renumbered)
    return CaseSource(case.name, case.patient, case.grade, images, labels)
