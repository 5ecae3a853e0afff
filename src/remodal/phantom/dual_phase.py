"""Simulated dual-phase CT: one patient from options and a number."""

from pathlib import Path

from remodal.intake.datasets import phantom as cohort
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.phantom.anatomy import draw_patient, paint_patient, trunk_frame
from remodal.phantom.breathing import draw_breathing
from remodal.phantom.canvas import Canvas
from remodal.phantom.patient_files import (
    Painted,
    paint_lesions,
    stream,
    write_patient,
)
from remodal.phantom.scanner import canvas_axes, plan_scan
from remodal.results.records import Record


def simulate_case(options: PhantomOptions, case: str, output: Path, source: Path) -> Record:
    """Simulate the patient with this case name; `source` is unused (see intake.simulation)."""
    return simulate_patient(options, cohort.index_of(case, options), output)


def simulate_patient(settings: PhantomOptions, index: int, output: Path) -> Record:
    """Simulate one patient: images of both phases, annotation, truth and record.

    The same settings and number give the same bytes, whatever other cases there are.

    Args:
        settings: the data set.
        index: number of the case, from 0.
        output: folder of the case; see patient_files for what is written.
    """
    rng = stream(settings, index, "patient")
    field_of_view = float(rng.uniform(*settings.field_of_view))
    patient = draw_patient(field_of_view, rng)
    middle = tuple(c + rng.normal(0, 3) for c in patient.build.centre[:2])
    scan = plan_scan(settings, field_of_view, middle, patient.liver_range, rng)
    axes = canvas_axes(scan, margin=1.6 * settings.breathing[1] + 6)
    canvas = Canvas.blank(*axes, patient.build)
    liver = paint_patient(canvas, patient, stream(settings, index, "anatomy"))
    lesions = paint_lesions(
        canvas, liver.distance, liver.box, patient.tissues, scan, settings, index
    )
    canvas.standard.clear()
    rng = stream(settings, index, "scan")
    shift = float(rng.uniform(*settings.breathing) * rng.choice([-1, 1]))
    breathing = draw_breathing(trunk_frame(patient), axes, canvas.liver, shift, rng)
    painted = Painted(
        canvas,
        scan,
        breathing,
        (*patient.build.centre[:2], 150 * patient.build.scale[0]),
        float(rng.uniform(*settings.noise)),
        {"source": "phantom", "lesions": lesions, "breathing_mm": round(shift, 2)},
    )
    return write_patient(painted, settings, index, output)
