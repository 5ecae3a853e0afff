"""A patient of the simulated pairs, painted in T1 and T2; all pairs of a patient show the same."""

from dataclasses import dataclass, replace

import numpy as np

from remodal.intake.datasets.t1t2_phantom import T1T2PhantomOptions, lesion_type
from remodal.phantom.anatomy import Patient, draw_patient, paint_patient
from remodal.phantom.canvas import Canvas
from remodal.phantom.lesions import draw_diameters, place_lesions
from remodal.phantom.liver_mr.contrasts import draw_brightness
from remodal.phantom.liver_mr.lesions import paint_lesion
from remodal.phantom.organs import Liver
from remodal.phantom.shapes import Array, Waves, oval

#: How far above and below the liver the patient is painted, mm.
_BEYOND = 62.0
#: Finest painted voxel, mm.
_FINEST = 1.5
#: How uneven tissue is (standard deviation, relative).
_UNEVEN = 0.035


@dataclass(frozen=True)
class Painted:
    """A painted patient.

    Attributes:
        patient: who it is.
        field_of_view: the in-plane width that a technician would choose for T1, mm.
        canvas: both contrasts, and what is liver and lesion.
        lesions: what a record says of each.
    """

    patient: Patient
    field_of_view: float
    canvas: Canvas
    lesions: list[dict]


def stream(options: T1T2PhantomOptions, patient: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose of one patient, independent of other purposes and patients."""
    return np.random.default_rng([options.seed, patient, *purpose.encode()])


def paint(options: T1T2PhantomOptions, number: int) -> Painted:
    """Paint patient `number`, from 1; nothing of it depends on how it will be scanned."""
    rng = stream(options, number, "patient")
    width = float(rng.uniform(*options.field_of_view))
    patient = draw_patient(width, rng)
    patient = replace(patient, tissues=draw_brightness(rng))
    canvas = Canvas.blank(*_axes(options, patient, width), patient.build)
    canvas.arterial.fill(0)
    canvas.venous.fill(0)
    liver = paint_patient(canvas, patient, stream(options, number, "anatomy"))
    rng = stream(options, number, "lesions")
    lesions = _paint_lesions(options, number, canvas, liver, patient, rng)
    _leave_the_body(canvas, patient.trunk.fat)
    canvas.standard.clear()
    everywhere = (slice(None),) * 3
    uneven = 1 + np.float32(_UNEVEN) * canvas.waves(Waves.drawn(rng, 6, 30, 32), everywhere)
    canvas.arterial *= uneven
    canvas.venous *= uneven
    return Painted(patient, width, canvas, lesions)


def _axes(options: T1T2PhantomOptions, patient: Patient, width: float) -> tuple[Array, ...]:
    """Axes (x, y, z; mm) around the body, about twice as fine as the finer of the images."""
    low, high = patient.liver_range
    sides = (width + 10, 0.8 * width + 10, high - low + 2 * _BEYOND)
    pixel = width / max(options.matrix)
    slices = (high - low) / max(options.slices)
    steps = [max(pixel / 2, min(_FINEST, pixel))] * 2 + [max(slices / 2, min(_FINEST, slices))]
    middles = (*patient.build.centre[:2], (low + high) / 2)
    axes = []
    for side, step, middle in zip(sides, steps, middles):
        count = int(np.ceil(side / step))
        axes.append(middle + step * (np.arange(count) - (count - 1) / 2))
    return tuple(axes)


def _paint_lesions(
    options: T1T2PhantomOptions,
    number: int,
    canvas: Canvas,
    liver: Liver,
    patient: Patient,
    rng: np.random.Generator,
) -> list[dict]:
    kind = lesion_type(options, number)
    diameters = draw_diameters(options.lesions, options.lesion_diameter, rng)
    room, box = canvas.liver.copy(), liver.box
    distance = np.where(room[box] > 0.5, liver.distance, np.maximum(liver.distance, 1.0))
    axes = canvas.x[box[2]], canvas.y[box[1]], canvas.z[box[0]]
    ends = float(canvas.z[0]), float(canvas.z[-1])
    return [
        {
            "type": kind,
            "diameter_mm": round(2 * lesion.radius, 1),
            "brightness": paint_lesion(canvas, lesion, patient.tissues, room, rng),
        }
        for lesion in place_lesions(kind, diameters, distance, axes, ends, rng)
    ]


def _leave_the_body(canvas: Canvas, fat: float) -> None:
    """Take out what MR does not show: the table, air and gas."""
    x, y, _ = canvas.standard
    body = oval(x, y + 3, 154 + fat, 109 + np.float32(0.7) * fat)
    share = canvas.coverage(body)
    for image in (canvas.arterial, canvas.venous):
        np.maximum(image, 0, out=image)
        image *= share
