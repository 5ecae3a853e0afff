"""A simulated patient without lesions: who they are, and the order in which they are painted."""

from dataclasses import dataclass

import numpy as np

from remodal.phantom.breathing import TrunkFrame
from remodal.phantom.canvas import Build, Canvas
from remodal.phantom.organs import (
    Liver,
    LiverShape,
    draw_bowel,
    draw_duodenum,
    draw_gallbladder,
    draw_kidneys,
    draw_liver,
    draw_liver_shape,
    draw_oesophagus,
    draw_pancreas,
    draw_spleen,
    draw_stomach,
)
from remodal.phantom.phases import Tissue, draw_tissues
from remodal.phantom.shapes import Waves
from remodal.phantom.trunk import WALL, Trunk, draw_bones, draw_psoas, draw_trunk
from remodal.phantom.vessels import draw_great_vessels, draw_liver_vessels

# Half width and half depth of the standard cavity and the wall around it (trunk.py), mm.
_HALF_WIDTH = 140 + WALL
_HALF_DEPTH = 109.0


@dataclass(frozen=True)
class Patient:
    """What is drawn at random for a patient before anything is painted."""

    build: Build
    trunk: Trunk
    liver: LiverShape
    tissues: dict[str, Tissue]

    @property
    def liver_range(self) -> tuple[float, float]:
        """Approximate lowest and highest point of the liver in scanner coordinates (z, mm)."""
        height = self.build.scale[2]
        return self.build.centre[2] + height * self.liver.tip, self.build.centre[2]


def draw_patient(field_of_view: float, rng: np.random.Generator) -> Patient:
    """Draw a patient who fits into an in-plane field of view (mm).

    A technician chooses the field of view to fit the patient: a wide one means a large patient, and
    large patients carry more fat.
    """
    width = field_of_view * rng.uniform(0.84, 0.93)
    fat = float(np.clip(rng.normal(6 + 28 * (width - 240) / 190, 5), 5, 48))
    across = (width / 2 - fat) / _HALF_WIDTH
    depth = width * rng.uniform(0.66, 0.73)
    through = (depth / 2 - 0.7 * fat) / _HALF_DEPTH
    along = rng.uniform(0.92, 1.1) * across**0.4
    centre = rng.normal(0, 4), rng.normal(0, 4) - 180, rng.uniform(-420, 380)
    warp = tuple(Waves.drawn(rng, 90, 190) for _ in range(3))
    build = Build(centre, (across, through, along), warp, rng.uniform(2.5, 4.5))
    trunk = Trunk(fat / across, rng.uniform(4, 18), rng.uniform(6, 12))
    return Patient(build, trunk, draw_liver_shape(rng), draw_tissues(rng))


def paint_patient(canvas: Canvas, patient: Patient, rng: np.random.Generator) -> Liver:
    """Paint a patient's anatomy; later structures cover earlier ones."""
    tissues, trunk = patient.tissues, patient.trunk
    inside = draw_trunk(canvas, tissues, trunk, rng)
    liver = draw_liver(canvas, tissues, inside, trunk, patient.liver, rng)
    draw_liver_vessels(canvas, tissues, liver, rng)
    draw_bowel(canvas, tissues, rng)
    draw_duodenum(canvas, tissues, rng)
    draw_stomach(canvas, tissues, inside, trunk, rng)
    draw_spleen(canvas, tissues, inside, trunk, rng)
    draw_pancreas(canvas, tissues, rng)
    draw_oesophagus(canvas, tissues)
    draw_gallbladder(canvas, tissues, rng)
    draw_psoas(canvas, tissues)
    draw_kidneys(canvas, tissues, rng)
    draw_great_vessels(canvas, tissues, rng)
    draw_bones(canvas, tissues, inside, rng)
    return liver


def trunk_frame(patient: Patient) -> TrunkFrame:
    """Where a patient's trunk is, for breathing."""
    build = patient.build
    (x, y, z), (across, through, _) = build.centre, build.scale
    return TrunkFrame(
        centre=(x, y - 10 * through),
        half_width=140 * across,
        half_depth=92 * through,
        spine=(x, y + 55 * through),
        dome=z,
    )
