"""Tissues and how bright each is in each sequence, with normal white matter in T1 as 1.

The order is that of any textbook: T1 white matter > grey matter > fluid, T2 the reverse, FLAIR with
dark fluid and bright oedema, and T1ce as T1 but for vessels and enhancing tumour.
"""

import numpy as np

#: Of the patient, in the order in which shares of a voxel are kept.
TISSUES = ("fluid", "grey", "white", "nuclei", "pallidum", "vessel", "gliosis")
#: Of the tumour.
GROWTH = ("oedema", "necrosis", "solid", "enhancing")
SEQUENCES = ("t1", "t1ce", "t2", "flair")

_BRIGHTNESS = {
    "fluid": (0.27, 0.27, 1.75, 0.20),
    "grey": (0.70, 0.72, 1.02, 1.02),
    "white": (1.00, 1.00, 0.72, 0.80),
    "nuclei": (0.82, 0.84, 0.90, 0.95),
    "pallidum": (0.93, 0.95, 0.60, 0.72),
    "vessel": (0.60, 1.75, 0.45, 0.55),
    "gliosis": (0.88, 0.88, 1.10, 1.25),
    "oedema": (0.80, 0.81, 1.38, 1.48),
    "necrosis": (0.42, 0.45, 1.62, 0.85),
    "solid": (0.58, 0.60, 1.45, 1.28),
    "enhancing": (0.66, 1.62, 1.12, 1.16),
}
#: By how much patients differ (standard deviation, relative).
_SPREAD = {
    "oedema": (0.05, 0.05, 0.08, 0.08),
    "necrosis": (0.10, 0.10, 0.08, 0.22),
    "solid": (0.08, 0.08, 0.08, 0.14),
    "enhancing": (0.06, 0.11, 0.08, 0.08),
}
_NORMAL = (0.02, 0.02, 0.03, 0.03)


def draw_brightness(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Brightness of each tissue of a patient, by sequence and then by tissue.

    T1 and T1ce share what is drawn, apart from what takes up the contrast agent.
    """
    drawn: dict[str, dict[str, float]] = {sequence: {} for sequence in SEQUENCES}
    for tissue, values in _BRIGHTNESS.items():
        spread = _SPREAD.get(tissue, _NORMAL)
        factors = np.clip(rng.normal(size=len(SEQUENCES)), -2, 2) * spread
        if tissue not in ("enhancing", "vessel"):
            factors[1] = factors[0]
        for sequence, value, factor in zip(SEQUENCES, values, factors):
            drawn[sequence][tissue] = float(value * (1 + factor))
    return drawn
