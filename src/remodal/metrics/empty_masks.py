"""How evaluations treat empty masks: ours leaves a metric undefined where others set a value.

A value that stands for "nothing to measure" shifts a mean, so each convention is a separate metric
(`dice_brats`), to be shown beside ours where a paper used it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from remodal.metrics.pair import MaskPair


@dataclass(frozen=True)
class Convention:
    """The values of some metrics where a mask is empty; None: as the metric itself defines it.

    Attributes:
        title: what a table's heading calls it.
        metrics: the metrics that it applies to.
        both_empty: value when neither mask has a voxel.
        prediction_empty: value when only the prediction has none.
    """

    title: str
    metrics: tuple[str, ...]
    both_empty: float | None = None
    prediction_empty: float | None = None


#: By the suffix that is added to the metric's name.
CONVENTIONS = {
    # The BraTS challenge's evaluation: a region that is rightly found absent is a full success.
    "brats": Convention("both empty: 100", ("dice",), both_empty=100.0),
    # HiLab-git/DTC code/test_util.py, and others: distances of 0 too, so the best.
    "dtc": Convention(
        "no prediction: 0",
        ("dice", "jaccard", "asd_voxel", "hd95_voxel"),
        both_empty=0.0,
        prediction_empty=0.0,
    ),
}


def with_convention(
    measure: Callable[[MaskPair], float], convention: Convention
) -> Callable[[MaskPair], float]:
    """A metric of one case that follows a convention where a mask is empty."""

    def measured(pair: MaskPair) -> float:
        counts = pair.overlap
        value = None
        if counts.prediction == 0:
            value = convention.prediction_empty if counts.truth else convention.both_empty
        return measure(pair) if value is None else value

    return measured
