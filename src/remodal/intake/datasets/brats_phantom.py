"""Simulated brains with gliomas, stored as BraTS 2018 is: their names, without drawing anything.

Light, since the Snakefile asks for the cases before anything runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from remodal.errors import UserError
from remodal.intake.balance import balanced
from remodal.intake.brats import BY_GRADE, SEQUENCES, BratsCase
from remodal.intake.datasets import CaseSource
from remodal.intake.datasets.brats import case_source
from remodal.intake.distributed import require_images_of
from remodal.intake.simulation import Simulation, simulation_options
from remodal.results.paths import data_folder, scans_folder
from remodal.settings.section import Section, require_ranges

if TYPE_CHECKING:
    from remodal.settings import Settings

Grade = Literal["HGG", "LGG"]


class BratsPhantomOptions(Section):
    """Options of the simulated BraTS (`simulation.brats_phantom`)."""

    cases: int = Field(ge=2, description="Number of patients (285 in 2018).")
    matrix: int = Field(
        ge=24, description="Rows and columns of a slice, which is 240 mm wide (240 in BraTS)."
    )
    slices: int = Field(ge=12, description="Slices on 155 mm (155 in BraTS).")
    grades: dict[Grade, Annotated[int, Field(ge=0)]] = Field(
        {"HGG": 14, "LGG": 5},
        description="How many of successive patients have tumours of which grade (210 to 75 in "
        "BraTS 2018).",
    )
    diameter: tuple[float, float] = Field(
        (24.0, 66.0), description="Smallest and largest diameter of a tumour's core in mm."
    )
    enhancing: float = Field(
        0.5, ge=0, le=1, description="Chance that a low-grade tumour enhances in patches."
    )
    thickness: tuple[float, float] = Field(
        (1.0, 5.0), description="Least and greatest slice thickness of a sequence in mm."
    )
    noise: tuple[float, float] = Field(
        (0.02, 0.06), description="Least and most noise, relative to white matter in T1."
    )
    bias: tuple[float, float] = Field(
        (0.04, 0.12), description="Least and greatest relative strength of the bias field."
    )
    seed: int = Field(2018, ge=0, description="Seed of the whole data set.")

    @model_validator(mode="after")
    def _least_before_most(self) -> "BratsPhantomOptions":
        require_ranges(self, "diameter", "thickness", "noise", "bias")
        if self.diameter[0] < 5 or self.thickness[0] <= 0:
            raise ValueError("diameter must be at least 5 and thickness above 0")
        if not any(self.grades.values()):
            raise ValueError("grades: no patient has a tumour of any grade")
        return self


SIMULATION = Simulation(
    "brats_phantom",
    BratsPhantomOptions,
    "remodal.phantom.brain.brats_files",
    voxels=lambda options: options.matrix**2 * options.slices,
)


def cases(settings: "Settings") -> list[CaseSource]:
    """The simulated patients of a study, each a case with its grade as its group.

    Raises:
        UserError: the study wants modalities that BraTS does not have.
    """
    require_images_of(settings, SEQUENCES, "BraTS")
    options = simulation_options(settings)
    found = [patient(options, index) for index in range(options.cases)]
    scans = data_folder(settings.data_id)
    stored = [stored_case(one, scans_folder(scans, one.case)) for one in found]
    return sorted((case_source(case, settings) for case in stored), key=lambda case: case.case)


@dataclass(frozen=True)
class Patient:
    """A simulated patient by number, from 1, and the grade of the tumour."""

    number: int
    grade: Grade

    @property
    def folder(self) -> str:
        """Name of the folder, as those of BraTS 2018: `Brats18_SIM_001_1`."""
        return f"Brats18_SIM_{self.number:03d}_1"

    @property
    def case(self) -> str:
        """Name of the case, as that of a real one."""
        return f"{self.grade}__{self.folder}"


def patient(options: BratsPhantomOptions, index: int) -> Patient:
    """Patient number `index`, from 0."""
    grades = [grade for grade in options.grades for _ in range(options.grades[grade])]
    return Patient(index + 1, balanced(grades, options.seed, index))


def patient_of(options: BratsPhantomOptions, case: str) -> Patient:
    """The patient of a case.

    Raises:
        UserError: the data set has no such case.
    """
    for index in range(options.cases):
        found = patient(options, index)
        if found.case == case:
            return found
    raise UserError(
        f"no simulated patient `{case}`",
        where="simulation.brats_phantom.cases",
        expected=f"one of {options.cases}, the first of which is {patient(options, 0).case}",
    )


def stored_case(one: Patient, folder: Path) -> BratsCase:
    """Where a patient's files are below `folder`: in a folder of the grade, as in BraTS 2018."""
    place = folder / one.grade / one.folder
    return BratsCase(
        name=one.case,
        patient=one.case,
        grade=one.grade,
        images={
            sequence: place / f"{BY_GRADE.image_name(one.folder, sequence)}.nii.gz"
            for sequence in SEQUENCES
        },
        label=place / f"{BY_GRADE.label_name(one.folder)}.nii.gz",
        folder=place,
        layout=BY_GRADE,
    )
