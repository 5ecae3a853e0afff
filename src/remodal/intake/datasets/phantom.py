"""Simulated patients: their names, lesion types and file layouts, without drawing anything.

Light, since the Snakefile asks for the cases before anything runs.
"""

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args

from pydantic import Field, model_validator

from remodal.errors import UserError
from remodal.intake.balance import balanced
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.intake.simulation import Simulation, simulation_options
from remodal.results.paths import data_folder, scans_folder
from remodal.settings.section import Section, require_ranges

if TYPE_CHECKING:
    from remodal.settings import Settings

LesionType = Literal["HCC", "metastasis", "cyst", "FNH", "haemangioma"]
LESION_TYPES = get_args(LesionType)
"""The five types of the MPCT-FLLs data set; all lesions of a patient are of one type."""

MODALITIES = ("arterial", "venous")
"""The two series of a patient, in the order of the injection's phases."""


class Stored(NamedTuple):
    """How an image is stored.

    Attributes:
        axes: where the voxels' x, y and z axes point, in ITK's notation; DICOM slices lie along z.
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
        askew: whether the patient lies askew on the table and the slices follow the body, so that
            both series are oblique.
    """

    arterial: Stored
    venous: Stored
    askew: bool = False

    def file_of(self, modality: str) -> str:
        """Name of an image's file or folder."""
        return modality + getattr(self, modality).suffix

    def label_of(self, modality: str) -> str:
        """Name of a label's file: DICOM SEG on a DICOM series, otherwise the image's format."""
        name = "label" if modality == MODALITIES[-1] else f"label-{modality}"
        return name + (getattr(self, modality).suffix or ".dcm")


LAYOUTS = {
    "axial": Layout(Stored("LPS"), Stored("LPS")),
    "oblique": Layout(Stored("LPS"), Stored("LPS"), askew=True),
    "coronal": Layout(Stored("LIP"), Stored("LIP")),
    "sagittal": Layout(Stored("PIR"), Stored("PIR"), askew=True),
    "nifti": Layout(Stored("RAS", ".nii.gz"), Stored("RAS", ".nii.gz"), askew=True),
    "mixed": Layout(Stored("LAS", ".nii.gz"), Stored("LPS")),
}
"""The layouts, by the names that `simulation.phantom.layouts` may hold."""


class PhantomOptions(Section):
    """Options of the simulated dual-phase CT (`simulation.phantom`)."""

    cases: int = Field(ge=2, description="Number of patients.")
    matrix: int = Field(ge=32, description="Rows and columns of a slice (512 on a scanner).")
    slices: tuple[int, int] = Field(description="Fewest and most slices of a series.")
    field_of_view: tuple[float, float] = Field(
        (287.0, 466.0),
        description="In-plane field of view in mm, least and most "
        "(0.56 to 0.91 mm pixels at a matrix of 512, as in the MAML paper).",
    )
    slice_spacing: float = Field(gt=0, description="Slice spacing in mm (1.5 in the MAML paper).")
    lesions: tuple[int, int] = Field((1, 4), description="Fewest and most lesions of a patient.")
    lesion_diameter: tuple[float, float] = Field(
        (12.0, 60.0), description="Smallest and largest lesion diameter in mm."
    )
    lesion_types: dict[LesionType, Annotated[int, Field(ge=0)]] = Field(
        dict.fromkeys(LESION_TYPES, 1),
        description="How many patients have lesions of which type, of as many successive patients "
        "as the numbers add up to; a type that is not named has none.",
    )
    noise: tuple[float, float] = Field(
        (8.0, 16.0), description="Least and most standard deviation of the noise in HU."
    )
    breathing: tuple[float, float] = Field(
        (4.0, 14.0), description="Least and most head-foot shift of the liver between phases, mm."
    )
    layouts: list[Literal["axial", "oblique", "coronal", "sagittal", "nifti", "mixed"]] = Field(
        ["axial", "oblique", "coronal", "sagittal", "nifti", "mixed"],
        min_length=1,
        description="How the patients' files are stored, in turn: DICOM slices of that orientation "
        "(`oblique` and `sagittal`: of a patient who lies askew), `nifti`: oblique files in RAS, "
        "`mixed`: the arterial phase as a file in LAS, the venous one as axial DICOM.",
    )
    annotated: list[Literal["arterial", "venous"]] = Field(
        ["venous"],
        min_length=1,
        description="Images that an annotation (1 liver, 2 tumour) is drawn on, each for itself.",
    )
    seed: int = Field(2021, ge=0, description="Seed of the whole data set.")

    @model_validator(mode="after")
    def _least_before_most(self) -> "PhantomOptions":
        require_ranges(
            self, "slices", "field_of_view", "lesions", "lesion_diameter", "noise", "breathing"
        )
        if self.slices[0] < 4 or self.lesion_diameter[0] <= 0:
            raise ValueError("slices must be at least 4 and lesion_diameter above 0")
        if not any(self.lesion_types.values()):
            raise ValueError("lesion_types: no patient has a lesion of any type")
        return self


SIMULATION = Simulation(
    "phantom",
    PhantomOptions,
    "remodal.phantom.dual_phase",
    voxels=lambda options: options.matrix**2 * fmean(options.slices),
)


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
    options = simulation_options(settings)
    return [_case(settings, options, index) for index in range(options.cases)]


def _case(settings: "Settings", options: PhantomOptions, index: int) -> CaseSource:
    case, layout = case_name(index), layout_of(options, index)
    root = scans_folder(data_folder(settings.data_id), case)
    return CaseSource(
        case=case,
        patient=case,
        group=lesion_type(options, index),
        images={modality: root / layout.file_of(modality) for modality in settings.data.modalities},
        labels={
            modality: LabelSource((root / layout.label_of(modality),))
            for modality in options.annotated
            if modality in settings.data.modalities
        },
    )


def case_name(index: int) -> str:
    """Name of case number `index` (from 0): `patient001` is the first."""
    return f"patient{index + 1:03d}"


def index_of(case: str, settings: PhantomOptions) -> int:
    """Number (from 0) of a case.

    Raises:
        UserError: the data set has no such case.
    """
    digits = case.removeprefix("patient")
    index = int(digits) - 1 if digits.isascii() and digits.isdigit() else -1
    if not 0 <= index < settings.cases or case_name(index) != case:
        raise UserError(
            f"no simulated patient `{case}`",
            where="simulation.phantom.cases",
            expected=f"{case_name(0)} to {case_name(settings.cases - 1)}",
        )
    return index


def lesion_type(settings: PhantomOptions, index: int) -> str:
    """Lesion type of a case."""
    names = [name for name in LESION_TYPES for _ in range(settings.lesion_types.get(name, 0))]
    return balanced(names, settings.seed, index)


def layout_of(settings: PhantomOptions, index: int) -> Layout:
    """How the files of a case are stored."""
    return LAYOUTS[balanced(settings.layouts, settings.seed, index, "stored/")]
