"""Simulated abdomens with a pancreas, stored as TCIA stores NIH Pancreas-CT; nothing is drawn here.

Light, since the Snakefile asks for the cases before anything runs.
"""

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.datasets.pancreas_ct import case_source
from remodal.intake.distributed import require_images_of
from remodal.intake.pancreas_ct import MODALITY, PancreasCase, label_file, series_folder
from remodal.intake.simulation import Simulation, simulation_options
from remodal.results.paths import data_folder, scans_folder
from remodal.settings.section import Section, require_ranges

if TYPE_CHECKING:
    from remodal.settings import Settings


class PancreasPhantomOptions(Section):
    """Options of the simulated Pancreas-CT (`simulation.pancreas_phantom`)."""

    cases: int = Field(ge=2, description="Number of patients (82 in Pancreas-CT).")
    matrix: int = Field(ge=32, description="Rows and columns of a slice (512 on a scanner).")
    slices: tuple[int, int] = Field(
        description="Fewest and most slices (181 to 466 in Pancreas-CT); all of the pancreas is "
        "among them if they are 160 mm long."
    )
    slice_spacing: float = Field(gt=0, description="Slice spacing in mm (mostly 1 in Pancreas-CT).")
    field_of_view: tuple[float, float] = Field(
        (320.0, 500.0),
        description="In-plane field of view in mm, least and most (0.66 to 0.98 mm pixels in "
        "Pancreas-CT).",
    )
    volume: tuple[float, float] = Field(
        (40.0, 110.0), description="Least and greatest volume of a pancreas in ml, about."
    )
    fat: float = Field(
        0.35, ge=0, le=1, description="Greatest share of fat among the lobules of a pancreas."
    )
    loops: tuple[int, int] = Field(
        (4, 9),
        description="Fewest and most loops of bowel beside the pancreas, mostly collapsed and as "
        "bright as it.",
    )
    oral_contrast: float = Field(
        0.6, ge=0, le=1, description="Share of patients who drank contrast agent before the scan."
    )
    noise: tuple[float, float] = Field(
        (9.0, 18.0), description="Least and most standard deviation of the noise in HU."
    )
    seed: int = Field(2015, ge=0, description="Seed of the whole data set.")

    @model_validator(mode="after")
    def _least_before_most(self) -> "PancreasPhantomOptions":
        require_ranges(self, "slices", "field_of_view", "volume", "loops", "noise")
        if self.slices[0] < 4 or self.volume[0] < 10:
            raise ValueError("slices must be at least 4 and volume at least 10")
        return self


SIMULATION = Simulation(
    "pancreas_phantom",
    PancreasPhantomOptions,
    "remodal.phantom.pancreas.tcia_files",
    voxels=lambda options: options.matrix**2 * fmean(options.slices),
)


def cases(settings: "Settings") -> list[CaseSource]:
    """The simulated patients of a study.

    Raises:
        UserError: the study wants modalities that Pancreas-CT does not have.
    """
    require_images_of(settings, [MODALITY], "Pancreas-CT")
    options = simulation_options(settings)
    data = data_folder(settings.data_id)
    numbers = range(1, options.cases + 1)
    return [
        case_source(stored_case(number, scans_folder(data, case_name(number))))
        for number in numbers
    ]


def case_name(number: int) -> str:
    """Name of a patient by number, from 1; as in Pancreas-CT, so that its lists of cases fit."""
    return f"PANCREAS_{number:04d}"


def number_of(case: str, options: PancreasPhantomOptions) -> int:
    """Number of a case.

    Raises:
        UserError: the data set has no such case.
    """
    for number in range(1, options.cases + 1):
        if case_name(number) == case:
            return number
    raise UserError(
        f"no simulated patient `{case}`",
        where="simulation.pancreas_phantom.cases",
        expected=f"{case_name(1)} to {case_name(options.cases)}",
    )


def stored_case(number: int, folder: Path) -> PancreasCase:
    """Where a patient's files are below `folder`; no two of the simulated ones are the same."""
    name = case_name(number)
    return PancreasCase(name, name, series_folder(folder, number), label_file(folder, number))
