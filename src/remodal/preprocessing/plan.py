"""The plan of a study: measured on its training cases as they are after the crop."""

import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from remodal.counting import counted
from remodal.errors import BadCase, UserError
from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Vector
from remodal.intake.nifti import read_geometry
from remodal.planning.plan import Plan, plan
from remodal.preprocessing.demand import most_demanding
from remodal.preprocessing.resampling import Shape
from remodal.preprocessing.source import read_source
from remodal.process.progress import progress
from remodal.results.files import read_json
from remodal.results.paths import STUDIES
from remodal.results.records import read_record
from remodal.settings import Settings
from remodal.settings.network import Planned
from remodal.settings.plan_file import PlanFile, plan_of

_HEAD = """\
# Planned as by nnU-Net v2 from {cases}, whose median shape at this spacing is
# {shape} (z, y, x), for {memory:g} GB{demand}:
# {elements:,} values in a U-Net's feature maps of a patch.
# To change it, copy it into config/ and name the copy in the study: `network: config/plan.yaml`.
"""


def plan_study(
    settings: Settings, splits: Path, registered: Path, studies: Path = STUDIES
) -> tuple[PlanFile, str]:
    """Plan for the cases that some fold trains on.

    Those that no fold trains on, the test cases of a hold-out, are not looked at.

    Args:
        settings: the study.
        splits: splits.json.
        registered: folder of the registered cases.
        studies: folder of the studies, one of which may predict the mask that a case is cropped by.

    Returns:
        The plan, and the text of its file.

    Raises:
        UserError: no training case can be used, or images that are too small.
    """
    spacings, shapes = [], []
    for case in progress(_training_cases(splits), "Planning"):
        try:
            spacing, shape = _measured(settings, registered / case, studies)
        except BadCase as error:
            # Preparation quarantines it, with the reason.
            print(f"remodal: {case} is left out of the plan: {error}", file=sys.stderr)
            continue
        spacings.append(spacing)
        shapes.append(shape)
    if not shapes:
        raise UserError("no training case can be used", where=str(splits), expected="one at least")
    given = settings.preprocessing.spacing
    demand = most_demanding(settings)
    memory = settings.network.gpu_memory
    made = plan(
        spacings,
        shapes,
        len(settings.data.classes),
        memory / demand.times,
        None if given == "plan" else given,
        settings.network.base_width,
        settings.network.max_width,
    )
    basis = Planned(cases=len(shapes), gpu_memory=memory, method=demand.method, times=demand.times)
    content = _content(made, basis)
    head = _HEAD.format(
        cases=counted(len(shapes), "training case"),
        shape=" x ".join(f"{side:g}" for side in made.shape),
        memory=memory,
        demand=f", of which {demand.method} needs {demand.times:g} times what one U-Net does"
        if demand.times > 1
        else "",
        elements=made.elements,
    )
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    return plan_of(content, "the plan"), head + text


def _training_cases(splits: Path) -> list[str]:
    folds = read_json(splits)["folds"]
    return sorted({case for fold in folds for case in fold["train"]})


def _measured(settings: Settings, folder: Path, studies: Path) -> tuple[Vector, Shape]:
    """Spacing and shape (z, y, x) of a case after its crop."""
    if settings.preprocessing.crop.by != "none":
        cropped = read_source(settings, folder, studies).cropped
        return cropped.spacing, next(iter(cropped.arrays.values())).shape
    told = read_record(folder / "registration.json").details
    geometry = read_geometry(folder / f"{told['modalities'][0]}.nii.gz")
    orientation = Orientation.of(geometry)
    return orientation.spacing(geometry), orientation.shape(geometry)


def _content(made: Plan, basis: Planned) -> dict:
    return {
        "preprocessing": {"spacing": _rounded(made.spacing)},
        "network": {
            "strides": _lists(made.strides),
            "kernels": _lists(made.kernels),
            "planned": basis.model_dump(exclude={"file"}),
        },
        "recipe": {"patch": list(made.patch), "batch": made.batch},
    }


def _lists(triples: Iterable[tuple[int, int, int]]) -> list[list[int]]:
    return [list(triple) for triple in triples]


def _rounded(spacing: Iterable[float]) -> list[float]:
    return [round(step, 6) for step in spacing]
