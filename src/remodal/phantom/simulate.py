"""Simulated patients: one case from settings and a number."""

import shutil
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.datasets import phantom as cohort
from remodal.phantom.anatomy import Patient, draw_patient, paint_patient
from remodal.phantom.breathing import TrunkFrame, draw_breathing
from remodal.phantom.canvas import Canvas
from remodal.phantom.patient_files import (
    Painted,
    paint_lesions,
    stream,
    write_patient,
)
from remodal.phantom.scanner import canvas_axes, plan_scan
from remodal.results.records import Record, with_quarantine
from remodal.settings import PhantomSettings, Settings


def simulate(
    settings: Settings, case: str, source: Path | None, output: Path, *, quarantine: bool = False
) -> Record:
    """Simulate one case of a study's data set (`data.source: phantom` or `real_ct`).

    Args:
        settings: of the study.
        case: name of the case.
        source: folder with the real CT (`real_ct.fetch_real_ct`), for `real_ct` only.
        output: folder of the case; see patient_files for what is written.
        quarantine: go on after a fault of ours, by a record of it alone.

    Raises:
        UserError: no such case, or a data set that is not simulated.
    """

    def work() -> Record:
        try:
            return _simulated(settings, case, source, output)
        except Exception:
            shutil.rmtree(output, ignore_errors=True)  # half a patient is none
            raise

    blank = Record(case=case, stage="simulate")
    return with_quarantine(work, output / "record.json", blank, [], wanted=quarantine)


def _simulated(settings: Settings, case: str, source: Path | None, output: Path) -> Record:
    index = cohort.index_of(case, settings.phantom)
    if settings.data.source == "phantom":
        return simulate_case(settings.phantom, index, output)
    if settings.data.source == "real_ct":
        from remodal.phantom.real_ct import read_real_ct, simulate_on_ct

        if source is None:
            raise UserError("the folder of the real CT is missing", where="--source")
        volume, liver, organs = read_real_ct(source)
        return simulate_on_ct(volume, liver, settings.phantom, index, output, organs)
    raise UserError(
        f"`{settings.data.source}` is not simulated",
        where="data.source",
        expected="`phantom` or `real_ct`",
    )


def simulate_case(settings: PhantomSettings, index: int, output: Path) -> Record:
    """Simulate one patient: images of both phases, annotation, truth and record.

    The same settings and number give the same bytes; other cases play no part.

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
    breathing = draw_breathing(_frame(patient), axes, canvas.liver, shift, rng)
    painted = Painted(
        canvas,
        scan,
        breathing,
        (*patient.build.centre[:2], 150 * patient.build.scale[0]),
        float(rng.uniform(*settings.noise)),
        {"source": "phantom", "lesions": lesions, "breathing_mm": round(shift, 2)},
    )
    return write_patient(painted, settings, index, output)


def _frame(patient: Patient) -> TrunkFrame:
    build = patient.build
    (x, y, z), (across, through, _) = build.centre, build.scale
    return TrunkFrame(
        centre=(x, y - 10 * through),
        half_width=140 * across,
        half_depth=92 * through,
        spine=(x, y + 55 * through),
        dome=z,
    )
