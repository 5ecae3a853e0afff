"""The metrics by name, each with what a table must know to print and rank it.

A new metric is one decorated function here: for one case (`@of_case`, a column of the per-case CSV)
or for all cases together (`@of_study`, only in tables). A value is NaN where it is undefined.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Literal

from remodal.errors import UserError
from remodal.metrics import overlap, surface
from remodal.metrics.empty_masks import CONVENTIONS, with_convention
from remodal.metrics.pair import MaskPair

if TYPE_CHECKING:
    import pandas as pd

Direction = Literal["higher", "lower", "zero"]

#: What ends the name of a metric of a prediction's largest connected component.
LARGEST = "_largest"


@dataclass(frozen=True)
class Metric:
    """What a table must know about a metric.

    Attributes:
        name: its name in the settings, and its column in the per-case CSV.
        title: its heading in tables, such as `Dice [%]`.
        unit: `%`, `voxel` or `mm`.
        direction: which values are better; `zero`: a signed error.
        variant_of: the metric that it is under another rule, if it is one.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    variant_of: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class CaseMetric(Metric):
    """A metric of one region of one case."""

    measure: Callable[[MaskPair], float]


@dataclass(frozen=True)
class StudyMetric(Metric):
    """A metric of all cases of one run, from the rows of the per-case table."""

    measure: Callable[["pd.DataFrame"], float]


METRICS: dict[str, Metric] = {}


def of_case(name: str, title: str, unit: str, direction: Direction, variant_of: str = ""):
    """Register a function (MaskPair) -> float as a metric of one case."""

    def register(function: Callable[[MaskPair], float]) -> Callable[[MaskPair], float]:
        METRICS[name] = CaseMetric(
            name, f"{title} [{unit}]", unit, direction, function, variant_of=variant_of
        )
        return function

    return register


def of_study(name: str, title: str, unit: str, direction: Direction):
    """Register a function (per-case rows of one run) -> float as a metric of a study."""

    def register(function: Callable[["pd.DataFrame"], float]) -> Callable[["pd.DataFrame"], float]:
        METRICS[name] = StudyMetric(name, f"{title} [{unit}]", unit, direction, function)
        return function

    return register


def require_metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        UserError: unknown metric.
    """
    if name not in METRICS:
        raise UserError(
            f"unknown metric `{name}`",
            expected=f"one of {', '.join(METRICS)}",
            remedy="a new metric is a function in src/remodal/metrics/registry.py",
        )
    return METRICS[name]


def require_case_metric(name: str, where: str) -> CaseMetric:
    """The metric of this name, which must be one of single cases.

    Raises:
        UserError: an unknown metric, or one that is defined only for a whole study.
    """
    metric = require_metric(name)
    if not isinstance(metric, CaseMetric):
        known = (other.name for other in METRICS.values() if isinstance(other, CaseMetric))
        raise UserError(
            f"`{name}` has no value for a single case",
            where=where,
            expected=f"one of {', '.join(known)}",
            remedy="it can be a column of a table",
        )
    return metric


@of_case("dice", "Dice", "%", "higher")
def _dice(pair: MaskPair) -> float:
    return overlap.dice(pair.overlap)


@of_case("jaccard", "Jaccard", "%", "higher")
def _jaccard(pair: MaskPair) -> float:
    return overlap.jaccard(pair.overlap)


@of_case("voe", "VOE", "%", "lower")
def _voe(pair: MaskPair) -> float:
    return overlap.volume_overlap_error(pair.overlap)


@of_case("rvd", "RVD", "%", "zero")
def _rvd(pair: MaskPair) -> float:
    return overlap.relative_volume_difference(pair.overlap)


def _register_surface_metrics() -> None:
    """Each surface metric twice: on a grid of unit spacing, and in mm."""
    titles = {
        "assd": ("ASSD", surface.assd),
        "masd": ("MASD", surface.masd),
        "asd": ("ASD one-way", surface.asd),
        "hd95": ("HD95", surface.hd95),
        "rmsd": ("RMSD", surface.rmsd),
    }
    for name, (title, function) in titles.items():
        of_case(f"{name}_voxel", title, "voxel", "lower")(
            lambda pair, function=function: function(pair.voxel_distances)
        )
        of_case(f"{name}_mm", title, "mm", "lower")(
            lambda pair, function=function: function(pair.mm_distances)
        )


_register_surface_metrics()


def _register_largest_components() -> None:
    """Each metric of a case once more, of the largest connected component of the prediction."""
    for metric in [known for known in METRICS.values() if isinstance(known, CaseMetric)]:
        measure = metric.measure
        _register_variant(
            f"{metric.name}{LARGEST}",
            "largest component",
            metric,
            lambda pair, measure=measure: measure(pair.largest),
        )


def _register_conventions() -> None:
    """What a paper's own evaluation makes of an empty mask, as a metric apart from ours."""
    for name, convention in CONVENTIONS.items():
        for base in convention.metrics:
            for part in ("", LARGEST):
                metric = require_case_metric(f"{base}{part}", "metrics.empty_masks")
                _register_variant(
                    f"{metric.name}_{name}",
                    convention.title,
                    metric,
                    with_convention(metric.measure, convention),
                )


def _register_variant(
    name: str, said: str, metric: CaseMetric, measure: Callable[[MaskPair], float]
) -> None:
    """Register a variant of a metric, with what is special about it in brackets."""
    title = metric.title.removesuffix(f" [{metric.unit}]")
    title = f"{title[:-1]}; {said})" if title.endswith(")") else f"{title} ({said})"
    of_case(name, title, metric.unit, metric.direction, metric.name)(measure)


_register_largest_components()
_register_conventions()


@of_study("dice_global", "Dice global", "%", "higher")
def _dice_global(cases: "pd.DataFrame") -> float:
    """Twice the intersections of all cases over the sizes of all cases."""
    size = cases["prediction_voxels"].sum() + cases["truth_voxels"].sum()
    return 200.0 * cases["intersection"].sum() / size if size else nan


@of_study("lesion_recall", "Lesion recall", "%", "higher")
def _lesion_recall(cases: "pd.DataFrame") -> float:
    """Share of all lesions that were found."""
    lesions = cases["lesions"].sum()
    return 100.0 * cases["lesions_found"].sum() / lesions if lesions else nan


@of_study("lesion_precision", "Lesion precision", "%", "higher")
def _lesion_precision(cases: "pd.DataFrame") -> float:
    """Share of all predicted lesions that are real."""
    predicted = cases["lesions_predicted"].sum()
    return 100.0 * (1 - cases["lesions_false"].sum() / predicted) if predicted else nan
