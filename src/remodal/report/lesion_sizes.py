"""True lesions by their size: how large they are, and how many of each size were found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, pi
from pathlib import Path

import pandas as pd

from remodal.metrics.lesion_table import read_lesions
from remodal.report.breakdowns import CellOfStudy, Chart
from remodal.report.charts import box_plots
from remodal.report.data_charts import boxes_by_group, label_title
from remodal.settings import Settings

#: Sizes in words, each with the diameter in mm below which it ends: that of a ball as large as the
#: lesion. A lesion is measurable from 10 mm on (RECIST 1.1: Eisenhauer et al. 2009,
#: doi:10.1016/j.ejca.2008.10.026).
SIZES = {"below 10 mm": 10.0, "10 to 20 mm": 20.0, "20 mm and more": inf}


@dataclass(frozen=True)
class Found:
    """Lesions of one size, over all cases and seeds: how many there are, and how many were found.

    Attributes:
        lesions: their number.
        found: how many of them were found.
        dice: mean Dice in percent of those that were found with what found them; NaN: there is
            none.
    """

    lesions: int
    found: int
    dice: float


def diameter(volume: float) -> float:
    """Diameter in mm of a ball of a volume in ml."""
    return (6000 * volume / pi) ** (1 / 3)


def study_lesions(settings: Settings, study: Path) -> pd.DataFrame:
    """The true lesions in the predictions of the study's trainings (see `read_lesions`)."""
    lesions = read_lesions(study / "metrics")
    ours = lesions["method"].isin(list(settings.methods)) & lesions["scenario"].isin(
        list(settings.scenarios)
    )
    ours &= lesions["fold"].isin(range(settings.splits.fold_count))
    return lesions[ours & lesions["seed"].isin(settings.seeds)]


def by_size(
    cells: Sequence[CellOfStudy], lesions: pd.DataFrame
) -> list[tuple[CellOfStudy, list[Found | None]]]:
    """Of each cell with lesions those of each of `SIZES`; None where there is none of a size.

    Args:
        cells: of the study.
        lesions: as `study_lesions` gives them.
    """
    rows = []
    for cell in cells:
        first = cell.cases.iloc[0]
        chosen = lesions["method"] == first["method"]
        chosen &= (lesions["scenario"] == cell.scenario) & (lesions["region"] == cell.region)
        if chosen.any():
            rows.append((cell, _of_sizes(lesions[chosen])))
    return rows


def _of_sizes(lesions: pd.DataFrame) -> list[Found | None]:
    diameters = lesions["volume_ml"].map(diameter)
    counts: list[Found | None] = []
    least = 0.0
    for most in SIZES.values():
        of_size = lesions[(diameters >= least) & (diameters < most)]
        found = int(of_size["found"].sum())
        dice = 100 * of_size["dice"].astype(float).mean()
        counts.append(Found(len(of_size), found, float(dice)) if len(of_size) else None)
        least = most
    return counts


def size_chart(
    settings: Settings, lesions: pd.DataFrame, groups: Mapping[str, str]
) -> Iterator[Chart]:
    """The volume of each true lesion of the test cases, a box for each group; none without lesions.

    Args:
        settings: the study.
        lesions: as `study_lesions` gives them.
        groups: of the cases; empty: of none.
    """
    told = lesions.assign(target=lesions["scenario"].map(settings.target_of))
    once = told.drop_duplicates(["target", "region", "case", "lesion"])
    panels = {}
    for region in settings.data.regions:
        for target, rows in once[once["region"] == region].groupby("target"):
            volumes = list(zip(rows["case"], rows["volume_ml"]))
            panels[label_title(settings, region, str(target))] = boxes_by_group(volumes, groups)
    if panels:
        yield Chart(
            "Lesions",
            box_plots(panels, "ml", logarithmic=True),
            "Each point is a lesion, a connected part of the truth, in the cases that are tested.",
        )
