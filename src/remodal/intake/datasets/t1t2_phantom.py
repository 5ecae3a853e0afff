"""Simulated pairs of T1 and T2 images of livers, stored as a BIDS folder; nothing is drawn here.

Light, since the Snakefile asks for the cases before anything runs.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from remodal.errors import UserError
from remodal.intake.balance import balanced
from remodal.intake.bids import BidsCase
from remodal.intake.datasets import CaseSource
from remodal.intake.datasets.bids import case_source
from remodal.intake.datasets.phantom import LESION_TYPES, LesionType
from remodal.intake.distributed import require_images_of
from remodal.intake.label_source import LabelSource
from remodal.intake.simulation import Simulation, simulation_options
from remodal.results.paths import data_folder, scans_folder
from remodal.settings.section import Section, require_ranges

if TYPE_CHECKING:
    from remodal.settings import Settings

SUFFIXES = {"t1": "T1w", "t2": "T2w"}
"""The images of a pair, and what BIDS calls them."""
LIVER, LESION = 1, 2
PIPELINE = "manual"
"""The folder of the labels in `derivatives`."""


class T1T2PhantomOptions(Section):
    """Options of the simulated T1/T2 pairs (`simulation.t1t2_phantom`)."""

    pairs: int = Field(ge=2, description="Number of pairs, a case each (88 in the paper).")
    patients: int = Field(
        ge=2, description="Number of patients who share them (51 in the paper): all have one."
    )
    matrix: tuple[int, int] = Field(
        description="Rows and columns of a slice of T1 and of T2 (320 and 256 on a scanner)."
    )
    slices: tuple[int, int] = Field(
        description="Number of slices of T1 and of T2, about (72 and 36 on a scanner). They cover "
        "the liver, so that the fewer there are, the thicker they are."
    )
    field_of_view: tuple[float, float] = Field(
        (330.0, 440.0), description="In-plane field of view of T1 in mm, least and most."
    )
    t2_field_of_view: tuple[float, float] = Field(
        (0.92, 1.12), description="That of T2 as a share of it, least and most."
    )
    oblique: float = Field(0.3, ge=0, le=1, description="Share of the images with oblique slices.")
    tilt: tuple[float, float] = Field(
        (2.0, 8.0), description="Least and greatest angle of these in degrees."
    )
    displacement: tuple[float, float] = Field(
        (3.0, 150.0),
        description="Least and greatest distance in mm between the liver's centroids in T1 and T2, "
        "by table position and breathing.",
    )
    usual_displacement: float = Field(
        22.0, gt=0, description="Median of it in mm; three quarters are between half and twice it."
    )
    breathing: tuple[float, float] = Field(
        (2.0, 18.0), description="Least and most of it, head-foot in mm, that is due to breathing."
    )
    lesions: tuple[int, int] = Field((1, 4), description="Fewest and most lesions of a patient.")
    lesion_diameter: tuple[float, float] = Field(
        (10.0, 60.0), description="Smallest and largest lesion diameter in mm."
    )
    lesion_types: dict[LesionType, Annotated[int, Field(ge=0)]] = Field(
        dict.fromkeys(LESION_TYPES, 1),
        description="How many patients have lesions of which type, of as many successive patients "
        "as the numbers add up to; a type that is not named has none.",
    )
    noise: tuple[float, float] = Field(
        (0.03, 0.08), description="Least and most noise, relative to the liver."
    )
    bias: tuple[float, float] = Field(
        (0.10, 0.25), description="Least and greatest relative strength of the bias field."
    )
    ghosting: tuple[float, float] = Field(
        (0.04, 0.16), description="Least and greatest relative strength of ghosts in T2."
    )
    reading: float = Field(
        0.9,
        ge=0,
        description="How far the border drawn in one image strays from the liver's (standard "
        "deviation in mm), as it does from reading to reading.",
    )
    seed: int = Field(2018, ge=0, description="Seed of the whole data set.")

    @model_validator(mode="after")
    def _least_before_most(self) -> "T1T2PhantomOptions":
        require_ranges(
            self,
            *("field_of_view", "t2_field_of_view", "tilt", "displacement", "breathing"),
            *("lesions", "lesion_diameter", "noise", "bias", "ghosting"),
        )
        if self.pairs < self.patients:
            raise ValueError(f"patients: {self.patients} cannot share {self.pairs} pairs")
        if min(self.matrix) < 32 or min(self.slices) < 8:
            raise ValueError("matrix must be at least 32 and slices at least 8")
        if self.lesions[0] < 1 or self.lesion_diameter[0] <= 0 or self.displacement[0] <= 0:
            raise ValueError("lesions, lesion_diameter and displacement must be above 0")
        if not any(self.lesion_types.values()):
            raise ValueError("lesion_types: no patient has a lesion of any type")
        return self


SIMULATION = Simulation(
    "t1t2_phantom",
    T1T2PhantomOptions,
    "remodal.phantom.liver_mr.bids_files",
    voxels=lambda options: fmean(
        side**2 * count for side, count in zip(options.matrix, options.slices)
    ),
)


@dataclass(frozen=True)
class Pair:
    """A pair of images: the number of its patient, and which of the patient's pairs, from 1."""

    patient: int
    session: int

    @property
    def subject(self) -> str:
        """The patient's name."""
        return f"sub-{self.patient:03d}"

    @property
    def name(self) -> str:
        """Name of the case, as the reader of BIDS folders forms it."""
        return f"{self.subject}_ses-{self.session}"


def cases(settings: "Settings") -> list[CaseSource]:
    """The simulated pairs of a study, each a case with its lesion type as its group.

    Raises:
        UserError: the study wants modalities that are not simulated.
    """
    require_images_of(settings, SUFFIXES, "the simulated pairs")
    options = simulation_options(settings)
    data = data_folder(settings.data_id)
    found = []
    for pair in pairs(options):
        stored = stored_case(pair, scans_folder(data, pair.name), settings.data.modalities)
        found.append(case_source(stored, lesion_type(options, pair.patient)))
    return found


def pairs(options: T1T2PhantomOptions) -> list[Pair]:
    """All pairs: each patient has one, and each further pair is that of a patient drawn for it."""
    counts = [1] * options.patients
    for further in range(options.pairs - options.patients):
        key = hashlib.sha256(f"{options.seed}/pair/{further}".encode()).digest()
        counts[int.from_bytes(key[:8], "big") % options.patients] += 1
    return [
        Pair(patient, session)
        for patient, count in enumerate(counts, 1)
        for session in range(1, count + 1)
    ]


def pair_of(options: T1T2PhantomOptions, case: str) -> Pair:
    """The pair of a case.

    Raises:
        UserError: the data set has no such case.
    """
    known = pairs(options)
    for pair in known:
        if pair.name == case:
            return pair
    raise UserError(
        f"no simulated pair `{case}`",
        where="simulation.t1t2_phantom.pairs",
        expected=f"{known[0].name} to {known[-1].name}",
    )


def lesion_type(options: T1T2PhantomOptions, patient: int) -> str:
    """Lesion type of a patient by number, from 1."""
    names = [name for name in LESION_TYPES for _ in range(options.lesion_types.get(name, 0))]
    return balanced(names, options.seed, patient - 1)


def stored_case(pair: Pair, folder: Path, modalities: list[str] | None = None) -> BidsCase:
    """Where a pair's files are below `folder`: as `intake.bids.find_cases` finds them there."""
    place = Path(pair.subject, f"ses-{pair.session}", "anat")
    names = {name: SUFFIXES[name] for name in modalities or SUFFIXES}
    return BidsCase(
        name=pair.name,
        patient=pair.subject,
        images={
            name: folder / place / f"{pair.name}_{suffix}.nii.gz" for name, suffix in names.items()
        },
        labels={
            name: LabelSource(
                (
                    folder
                    / "derivatives"
                    / PIPELINE
                    / place
                    / f"{pair.name}_space-{suffix}_dseg.nii.gz",
                )
            )
            for name, suffix in names.items()
        },
    )
