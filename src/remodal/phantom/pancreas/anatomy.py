"""A simulated patient of Pancreas-CT: who they are, and the order in which they are painted."""

from dataclasses import dataclass, replace

import numpy as np

from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions
from remodal.phantom.anatomy import Patient, draw_patient
from remodal.phantom.canvas import Canvas
from remodal.phantom.organs import (
    draw_bowel,
    draw_gallbladder,
    draw_kidneys,
    draw_liver,
    draw_oesophagus,
    draw_spleen,
    draw_stomach,
)
from remodal.phantom.pancreas.gland import Gland, draw_gland, paint_gland
from remodal.phantom.pancreas.neighbours import draw_duodenum, draw_loops, draw_vessels
from remodal.phantom.phases import Tissue
from remodal.phantom.trunk import draw_bones, draw_psoas, draw_trunk
from remodal.phantom.vessels import draw_liver_vessels

Rng = np.random.Generator


@dataclass(frozen=True)
class Abdomen:
    """A patient and what is said about the pancreas.

    Attributes:
        patient: build, trunk, liver and tissues.
        gland: the pancreas.
        loops: how many loops of jejunum lie beside it.
    """

    patient: Patient
    gland: Gland
    loops: int

    @property
    def range(self) -> tuple[float, float]:
        """Approximate lowest and highest point of the pancreas, scanner mm."""
        build, heights = self.patient.build, self.gland.course[:, 2]
        reach = 1.5 * self.gland.half.max() + 3 * build.warp_size
        low, high = heights.min() - reach, heights.max() + reach
        return build.centre[2] + build.scale[2] * low, build.centre[2] + build.scale[2] * high


def draw_abdomen(options: PancreasPhantomOptions, field_of_view: float, rng: Rng) -> Abdomen:
    """Draw a patient who fits into an in-plane field of view (mm)."""
    patient = draw_patient(field_of_view, rng)
    gland = draw_gland(options.volume, options.fat, patient.build.scale, rng)
    tissues = _with_gut(patient.tissues, rng.random() < options.oral_contrast, rng)
    fewest, most = options.loops
    loops = int(rng.integers(fewest, most + 1))
    return Abdomen(replace(patient, tissues=tissues), gland, loops)


def _with_gut(tissues: dict[str, Tissue], drank: bool, rng: Rng) -> dict[str, Tissue]:
    """The tissues with bowel that is about as bright as the pancreas, and what it holds."""
    pancreas = tissues["pancreas"]
    wall = pancreas.venous + rng.normal(0, 6)
    content = rng.uniform(120, 320) if drank else rng.uniform(5, 45)
    return tissues | {
        "gut_wall": Tissue(pancreas.arterial, wall),
        "gut_content": Tissue(content, content),
    }


def paint_abdomen(canvas: Canvas, abdomen: Abdomen, rng: Rng) -> None:
    """Paint a patient's anatomy; later structures cover earlier ones.

    `canvas.pancreas` is then what of the pancreas is left: without the vessels and the duodenum.
    """
    patient, gland = abdomen.patient, abdomen.gland
    tissues, trunk = patient.tissues, patient.trunk
    inside = draw_trunk(canvas, tissues, trunk, rng)
    liver = draw_liver(canvas, tissues, inside, trunk, patient.liver, rng)
    draw_liver_vessels(canvas, tissues, liver, rng)
    draw_bowel(canvas, tissues, rng)
    draw_loops(canvas, tissues, abdomen.loops, gland, rng)
    draw_stomach(canvas, tissues, inside, trunk, rng, behind=gland.bed)
    paint_gland(canvas, tissues, gland, rng)
    draw_spleen(canvas, tissues, inside, trunk, rng)
    draw_duodenum(canvas, tissues, gland, rng)
    draw_oesophagus(canvas, tissues)
    draw_gallbladder(canvas, tissues, rng)
    draw_psoas(canvas, tissues)
    draw_kidneys(canvas, tissues, rng)
    draw_vessels(canvas, tissues, gland, rng)
    draw_bones(canvas, tissues, inside, rng)
