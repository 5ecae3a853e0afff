"""Simulated patients: their names, lesion types and files, without drawing anything.

Only the standard library is used, since the Snakefile asks for the cases before anything runs.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import PhantomSettings, Settings

LESION_TYPES = ("HCC", "metastasis", "cyst", "FNH", "haemangioma")
"""The five types of the MPCT-FLLs data set; all lesions of a patient are of one type."""

MODALITIES = ("arterial", "venous")
"""The two series of a patient; the lesions are drawn on the last."""


def cases(settings: "Settings") -> list[CaseSource]:
    """The simulated patients of a study, each a case with its lesion type as its group.

    Raises:
        UserError: the study wants modalities that are not simulated.
    """
    for modality in settings.data.modalities:
        if modality not in MODALITIES:
            raise UserError(
                f"`{modality}` is not simulated",
                where="data.modalities",
                expected=" and ".join(MODALITIES),
            )
    root = Path("results/data") / settings.data_id / "dicom"
    return [
        CaseSource(
            case=case,
            patient=case,
            group=lesion_type(settings.phantom, index),
            images={modality: root / case / modality for modality in settings.data.modalities},
            label=LabelSource((root / case / "label.dcm",)),
            label_on=MODALITIES[-1],
        )
        for index, case in enumerate(case_names(settings.phantom))
    ]


def case_name(index: int) -> str:
    """Name of the case number `index` (from 0): `patient001` is the first."""
    return f"patient{index + 1:03d}"


def case_names(settings: "PhantomSettings") -> list[str]:
    """Names of all cases in order."""
    return [case_name(index) for index in range(settings.cases)]


def index_of(case: str, settings: "PhantomSettings") -> int:
    """Number (from 0) of a case.

    Raises:
        UserError: the data set has no such case.
    """
    digits = case.removeprefix("patient")
    index = int(digits) - 1 if digits.isascii() and digits.isdigit() else -1
    if not 0 <= index < settings.cases or case_name(index) != case:
        raise UserError(
            f"no simulated patient `{case}`",
            expected=f"{case_name(0)} to {case_name(settings.cases - 1)} (phantom.cases)",
        )
    return index


def lesion_type(settings: "PhantomSettings", index: int) -> str:
    """Lesion type of a case.

    Each block of five successive cases holds every type once, in an order drawn from the seed: the
    types stay balanced in a small data set, and a case does not change when cases are added.
    """
    block, place = divmod(index, len(LESION_TYPES))

    def key(name: str) -> bytes:
        return hashlib.sha256(f"{settings.seed}/{block}/{name}".encode()).digest()

    return sorted(LESION_TYPES, key=key)[place]
