"""Your own files, as a sample sheet lists them."""

from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.sheet import Image, read_sheet

if TYPE_CHECKING:
    from remodal.settings import Settings


def cases(settings: "Settings") -> list[CaseSource]:
    """Cases of the sheet `data.sheet`, in its order.

    A case may lack a modality: its `images` then hold the others.

    Raises:
        UserError: no sheet is named, or its cells are wrong.
    """
    if settings.data.sheet is None:
        raise UserError(
            "no sample sheet is named",
            where="data.sheet",
            expected="a TSV file, as config/samples.tsv",
        )
    by_case: dict[str, list[Image]] = {}
    data = settings.data
    for image in read_sheet(data.sheet, data.modalities, data.truth):
        by_case.setdefault(image.case, []).append(image)
    return [_case(images, data.modalities) for images in by_case.values()]


def _case(images: list[Image], modalities: list[str]) -> CaseSource:
    found = {image.modality: image for image in images}
    found = {modality: found[modality] for modality in modalities if modality in found}
    first = images[0]
    return CaseSource(
        case=first.case,
        patient=first.patient,
        group=first.group,
        images={modality: image.path for modality, image in found.items()},
        labels={modality: image.label for modality, image in found.items() if image.label},
    )
