"""Distances between the slices of a series: even, changing along the series, or with gaps."""

import numpy as np

from remodal.errors import BadCase

#: Of a step: by how much it may differ from others that count as equal.
SAME_STEP = 0.1
_WIDEST = 10  # times the finest step: beyond, resampling would invent most of the volume


def finest_run(heights: np.ndarray, instances: list[int | None]) -> tuple[int, float] | None:
    """Where the finest steps of slices whose distance changes begin, if it does change.

    Distances change along a series when thin slices were wanted in one part of it. Each distance
    is then found at least twice in a row, or once between two parts, as a step from thin to thick
    slices. Any other step is a mistake: a slice is missing, or lies in the wrong place.

    Args:
        heights: of the slices along their normal (mm), rising.
        instances: their InstanceNumbers; None where it is missing.

    Returns:
        Index of a slice and the step (mm) from there on; None if all steps are equal.

    Raises:
        BadCase: slices are missing, or steps make no sense.
    """
    steps = np.diff(heights)
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    runs = np.split(np.arange(len(steps)), _changes(steps))
    changing = len(runs) > 1 and all(len(run) > 1 or _between(steps, run[0]) for run in runs)
    if changing and _numbers_skip(steps, instances):
        _check_gaps(steps, float(steps.min()), len(heights))
    if not changing:
        _check_gaps(steps, usual, len(heights))
        return None
    if steps.max() > _WIDEST * steps.min():
        raise BadCase(
            f"the step between slices changes from {steps.min():.3g} to {steps.max():.3g} mm",
            expected=f"steps of which none is more than {_WIDEST} times another",
            remedy="put the parts into folders of their own",
        )
    finest = min((run for run in runs if len(run) > 1), key=lambda run: steps[run].mean())
    return int(finest[0]), float(steps[finest].mean())


def _changes(steps: np.ndarray) -> np.ndarray:
    """Indices at which another step begins."""
    smaller = np.minimum(steps[1:], steps[:-1])
    return np.flatnonzero(np.abs(np.diff(steps)) > SAME_STEP * smaller) + 1


def _between(steps: np.ndarray, index: int) -> bool:
    """Whether a step lies between its two neighbours, which differ: from thin to thick slices."""
    if not 0 < index < len(steps) - 1:
        return False
    low, high = sorted((steps[index - 1], steps[index + 1]))
    return low < steps[index] < high


def _numbers_skip(steps: np.ndarray, instances: list[int | None]) -> bool:
    """Whether the slices' numbers skip some where the step is wide: those slices are missing."""
    if None in instances:
        return False
    numbers = np.abs(np.diff(np.array(instances, float)))
    fine = steps < steps.min() * (1 + SAME_STEP)
    # Only numbers that rise one by one elsewhere say anything.
    return bool((numbers[fine] == 1).all() and (numbers[~fine] > 1).all())


def _check_gaps(steps: np.ndarray, usual: float, count: int) -> None:
    """Check that no slices are missing.

    Raises:
        BadCase: some are, with their places.
    """
    wide = np.flatnonzero(steps > 1.5 * usual)
    if not len(wide):
        return
    ratios = steps[wide] / usual
    if np.abs(ratios - np.rint(ratios)).max() >= SAME_STEP:
        raise BadCase(
            f"non-uniform steps between slices: {steps.min():.3g} to {steps.max():.3g} mm, "
            f"{steps[wide[0]]:.3g} mm after slice {wide[0] + 1} of {count}",
            expected="one step, or several slices of each",
            remedy="put the parts into folders of their own, or export the series again",
        )
    missing = int(np.rint(ratios).sum()) - len(wide)
    after = ", ".join(str(index + 1) for index in wide[:5]) + (" ..." if len(wide) > 5 else "")
    raise BadCase(
        f"gap: {missing} {'slice' if missing == 1 else 'slices'} missing, after slice {after} of "
        f"{count} (step {steps[wide[0]]:.3g} mm instead of {usual:.3g} mm)",
        expected="every slice of the series",
        remedy="export the series again",
    )
