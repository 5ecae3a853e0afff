"""How bright each tissue is in T1 and in T2.

T1 is a gradient echo with suppressed fat in the portal venous phase of an extracellular contrast
agent, T2 a fast spin echo without suppression. The values are what such images show, in units of
which the liver has 600 in T1. They are large, since the anatomy's textures are in HU.
"""

import numpy as np

from remodal.phantom.phases import Tissue

LIVER_T1 = 600.0

# T1 and T2. Blood flows out of a spin echo's slice before its echo, so that vessels are dark in T2.
_BRIGHTNESS = {
    "skin": (330, 380),
    "fat": (190, 1050),
    "visceral_fat": (170, 980),
    "muscle": (350, 200),
    "cartilage": (220, 260),
    "bone": (60, 70),
    "marrow": (270, 520),
    "disc": (190, 420),
    "canal": (110, 1750),
    "lung": (35, 30),
    "myocardium": (480, 280),
    "aorta": (930, 80),
    "hepatic_artery": (880, 90),
    "cava": (880, 130),
    "renal_vein": (900, 130),
    "portal_vein": (940, 150),
    "hepatic_vein": (900, 170),
    "liver": (LIVER_T1, 330),
    "spleen": (500, 620),
    "renal_cortex": (860, 600),
    "renal_medulla": (760, 760),
    "renal_sinus": (220, 1000),
    "pancreas": (520, 450),
    "gut_wall": (480, 340),
    "gut_content": (150, 1150),
    "bile": (130, 1700),
    "oesophagus": (380, 320),
}
#: How much a patient's tissue differs from the mean (standard deviation, relative).
_SPREAD = 0.07
#: Least and most of the spleen, relative to the liver, in T1 and T2.
_SPLEEN = ((0.74, 0.9), (1.55, 2.2))
#: The same of what the bowel and the stomach hold in T2: gruel to water.
_CONTENT = (1.2, 4.5)


def draw_brightness(rng: np.random.Generator) -> dict[str, Tissue]:
    """Brightness of every tissue of one patient, T2 as `arterial` and T1 as `venous`."""
    tissues = {}
    for name, (t1, t2) in _BRIGHTNESS.items():
        first, second = np.exp(rng.normal(0, _SPREAD, 2))
        tissues[name] = Tissue(float(t2 * second), float(t1 * first))
    liver = tissues["liver"]
    t1, t2 = (rng.uniform(*limits) for limits in _SPLEEN)
    tissues["spleen"] = Tissue(float(t2 * liver.arterial), float(t1 * liver.venous))
    content = liver.arterial * rng.uniform(*_CONTENT)
    tissues["gut_content"] = Tissue(float(content), tissues["gut_content"].venous)
    return tissues
