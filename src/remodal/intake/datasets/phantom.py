"""Simulated patients: their names, lesion types and files' layouts, without drawing anything.

Only the standard library is used, since the Snakefile asks for the cases before anything runs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.results.paths import data_folder

if TYPE_CHECKING:
    from remodal.settings import PhantomSettings, Settings

LESION_TYPES = ("HCC", "metastasis", "cyst", "FNH", "haemangioma")
"""The five types of the MPCT-FLLs data set; all lesions of a patient are of one type."""

MODALITIES = ("arterial", "venous")
"""The two series of a patient; the lesions are drawn on the last."""


class Stored(NamedTuple):
    """How an image is stored.

    Attributes:
        axes: where the voxels' x, y and z axes point to, as ITK names it; DICOM slices lie along z.
        suffix: of the file; empty for a folder of DICOM slices.
    """

    axes: str
    suffix: str = ""


@dataclass(frozen=True)
class Layout:
    """How a patient's images are stored.

    Attributes:
        arterial: the arterial series.
        venous: the venous series.
        askew: whether the patient lies askew on the table, and the slices along the body: both
            series are oblique.
    """

    arterial: Stored
    venous: Stored
    askew: bool = False

    def file_of(self, modality: str) -> str:
        """Name of an image's file or folder."""
        return modality + getattr(self, modality).suffix

    @property
    def label(self) -> str:
        """Name of the label's file: DICOM SEG on a DICOM series, else the image's format."""
        return "label" + (self.venous.suffix or ".dcm")


LAYOUTS = {
    "axial": Layout(Stored("LPS"), Stored("LPS")),
    "oblique": Layout(Stored("LPS"), Stored("LPS"), askew=True),
    "coronal": Layout(Stored("LIP"), Stored("LIP")),
    "sagittal": Layout(Stored("PIR"), Stored("PIR"), askew=True),
    "nifti": Layout(Stored("RAS", ".nii.gz"), Stored("RAS", ".nii.gz"), askew=True),
    "mixed": Layout(Stored("LAS", ".nii.gz"), Stored("LPS")),
}
"""By the names that `phantom.layouts` may hold."""


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
    return [_case(settings, index) for index in range(settings.phantom.cases)]


def _case(settings: "Settings", index: int) -> CaseSource:
    case, layout = case_name(index), layout_of(settings.phantom, index)
    root = data_folder(settings.data_id) / "scans" / case
    return CaseSource(
        case=case,
        patient=case,
        group=lesion_type(settings.phantom, index),
        images={modality: root / layout.file_of(modality) for modality in settings.data.modalities},
        labels={MODALITIES[-1]: LabelSource((root / layout.label,))},
    )


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
    """Lesion type of a case."""
    return _balanced(LESION_TYPES, settings.seed, index)


def layout_of(settings: "PhantomSettings", index: int) -> Layout:
    """How the files of a case are stored."""
    return LAYOUTS[_balanced(settings.layouts, settings.seed, index, "stored/")]


def _balanced(names: Sequence[str], seed: int, index: int, purpose: str = "") -> str:
    """One of some names for a case.

    Each block of as many successive cases holds every name once, in an order drawn from the seed:
    the names stay balanced in a small data set, and a case does not change when cases are added.
    """
    block, place = divmod(index, len(names))

    def key(name: str) -> bytes:
        return hashlib.sha256(f"{seed}/{block}/{purpose}{name}".encode()).digest()

    return sorted(names, key=key)[place]
