"""Weights that grow over a training.

Source: Laine and Aila (2017), arXiv 1610.02242; yulequan/UA-MT and HiLab-git/DTC, utils/ramps.py.
"""

from math import exp

from remodal.objectives.batch import Step

#: Stairs of the published ramp-up: 40 of 150 iterations, which are all 6,000.
STAIRS = 40


def ramp_up(step: Step, share: float = 1.0, stairs: int | None = STAIRS) -> float:
    """exp(-5 (1 - t)^2), from 0.0067 at the beginning to 1 where t reaches 1, and 1 from there on.

    Args:
        step: how far the training has come.
        share: of the training's iterations, after which t is 1.
        stairs: t rises in so many equal stairs; None: with every iteration.
    """
    t = step.number / (share * step.total) if share else 1.0
    if stairs is not None:
        t = int(t * stairs + 1e-9) / stairs  # 11 / 15 * 150 is just below 110
    return exp(-5 * (1 - min(t, 1.0)) ** 2)
