"""Simulated heads in three MR sequences, with a core inside oedema: names only."""

from pydantic import Field

from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.intake.simulation import Simulation, simulation_options
from remodal.results.paths import data_folder
from remodal.settings import Section, Settings


class Options(Section):
    """Options of the toy heads."""

    cases: int = Field(ge=2, description="Number of patients.")
    size: int = Field(ge=16, description="Voxels along each axis.")
    labelled: int | None = Field(None, ge=2, description="How many have a label; empty: all.")


SIMULATION = Simulation("heads", Options, "toy_package.draw")


def cases(settings: Settings) -> list[CaseSource]:
    """One case for each patient; the label, if there is one, was drawn on FLAIR."""
    scans = data_folder(settings.data_id) / "scans"
    options = simulation_options(settings)
    names = [f"head{number}" for number in range(options.cases)]
    drawn = {name: LabelSource((scans / name / "label.nii.gz",)) for name in names}
    labelled = names[: options.labelled]
    return [
        CaseSource(
            case=name,
            patient=name,
            group="",
            images={m: scans / name / f"{m}.nii.gz" for m in settings.data.modalities},
            labels={"flair": drawn[name]} if name in labelled else {},
        )
        for name in names
    ]
