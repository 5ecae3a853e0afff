"""How bright each tissue is in each phase.

These are mean CT numbers of late arterial and portal venous abdominal CT at 100-120 kV, as in
radiology textbooks; each patient's own are drawn around them, as is the moment of the scan.
"""

from dataclasses import dataclass

import numpy as np

AIR = -1000.0


@dataclass(frozen=True)
class Tissue:
    """HU in the arterial and in the venous phase."""

    arterial: float
    venous: float


# Early arterial, late arterial, portal venous HU.
_HU = {
    "skin": (-10, -10, -5),
    "fat": (-105, -105, -104),
    "visceral_fat": (-102, -102, -98),
    "muscle": (56, 60, 66),
    "cartilage": (95, 95, 95),
    "bone": (520, 520, 520),
    "marrow": (190, 195, 200),
    "disc": (85, 85, 88),
    "canal": (25, 28, 32),
    "lung": (-860, -860, -855),
    "myocardium": (85, 115, 120),
    "aorta": (340, 300, 152),
    "hepatic_artery": (290, 265, 145),
    "cava": (60, 85, 142),
    "renal_vein": (110, 170, 160),
    "portal_vein": (52, 125, 172),
    "hepatic_vein": (44, 56, 158),
    "liver": (60, 74, 110),
    "spleen": (95, 130, 122),
    "renal_cortex": (165, 195, 185),
    "renal_medulla": (48, 75, 158),
    "renal_sinus": (-60, -50, -20),
    "pancreas": (75, 102, 92),
    "gut_wall": (62, 85, 92),
    "gut_content": (18, 18, 20),
    "bile": (8, 8, 9),
    "oesophagus": (45, 55, 65),
}
# How much a patient differs from the mean, as a share of the enhancement over the plain scan.
_SPREAD = 0.10
_PLAIN = 45.0
_FIXED = {"skin", "fat", "visceral_fat", "lung", "bile", "renal_sinus", "gut_content", "canal"}


def draw_tissues(rng: np.random.Generator) -> dict[str, Tissue]:
    """HU of every tissue of one patient.

    The arterial phase is caught earlier or later, the dose suits the patient more or less well, and
    the liver may hold some fat: the variety between examinations that papers describe.
    """
    lateness = rng.beta(2.5, 1.5)
    dose = rng.uniform(0.85, 1.15)
    fatty_liver = rng.exponential(6.0)
    tissues = {}
    for name, (early, late, venous) in _HU.items():
        arterial = early + lateness * (late - early)
        shift = rng.normal(0, _SPREAD)
        if name not in _FIXED:
            strength = dose * (1 + shift)
            arterial = _enhanced(arterial, strength)
            venous = _enhanced(venous, strength)
        tissues[name] = Tissue(float(arterial), float(venous))
    liver, drop = tissues["liver"], min(fatty_liver, 25.0)
    tissues["liver"] = Tissue(liver.arterial - drop, liver.venous - drop)
    return tissues


def _enhanced(hu: float, strength: float) -> float:
    return _PLAIN + (hu - _PLAIN) * strength if hu > _PLAIN else hu
