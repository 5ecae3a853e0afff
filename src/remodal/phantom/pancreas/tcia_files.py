"""Write a simulated patient as TCIA distributes NIH Pancreas-CT: a DICOM series and a label.

```
<output>/Pancreas-CT/PANCREAS_0001/11-24-2015-PANCREAS0001-Pancreas-12345/Pancreas-67890/1-001.dcm
<output>/TCIA_pancreas_labels-02-05-2017/label0001.nii.gz
<output>/record.json
```

The label's voxels are in the order of the DICOM files: columns, rows, slice numbers. Its header
knows nothing of the scanner's coordinates, so that it is flipped against the series.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from remodal.geometry.components import largest_component
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets.pancreas_phantom import (
    PancreasPhantomOptions,
    number_of,
    stored_case,
)
from remodal.intake.nifti import write_volume
from remodal.phantom.canvas import Build, Canvas
from remodal.phantom.dicom_writer import SeriesDescription, draw_examination, write_series
from remodal.phantom.pancreas.anatomy import Abdomen, draw_abdomen, paint_abdomen
from remodal.phantom.scanner import (
    Scan,
    acquire,
    axial_grid,
    canvas_axes,
    correlated_noise,
    noise_profile,
    scanned,
)
from remodal.results.files import sha256
from remodal.results.records import Record, write_record

_LEAST_SHARE = 0.5
#: Where the header of a label says that its axes point: to the right, to the front, up (LPS).
_ELSEWHERE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def simulate_case(options: PancreasPhantomOptions, case: str, output: Path, source: Path) -> Record:
    """Simulate the patient of this name; `source` is unused (see intake.simulation)."""
    number = number_of(case, options)
    image, label, abdomen = simulate_image(options, number)
    stored = stored_case(number, output)
    rng = _stream(options, number, "examination")
    # The number of cases is left out, so that a patient stays the same when others are added.
    identity = f"pancreas {number} {options.model_dump_json(exclude={'cases'})}"
    examination = replace(
        draw_examination(identity, case, number, rng), scope="portal venous phase"
    )
    from_head = bool(rng.integers(2))
    series = SeriesDescription(
        "venous", 2, float(rng.uniform(66, 76)), from_head, numbered_files=True
    )
    shutil.rmtree(stored.series, ignore_errors=True)
    study, ends = f"11-24-2015-PANCREAS{number:04d}-Pancreas", rng.integers(10000, 100000, 2)
    folder = stored.series / f"{study}-{ends[0]}" / f"Pancreas-{ends[1]}"
    _, digest = write_series(folder, image, examination, series)
    write_volume(stored.label, _as_distributed(label, from_head))
    record = Record(
        case=case,
        stage="simulate",
        details={
            "shape": list(image.geometry.shape),
            "spacing": list(image.geometry.spacing),
            "pancreas_ml": round(_millilitres(label), 1),
            "fat_share": round(abdomen.gland.fat, 3),
            "numbered_from": "head" if from_head else "feet",
            "sha256": {"ct": digest, stored.label.name: sha256(stored.label)},
        },
    )
    write_record(output / "record.json", record)
    return record


def simulate_image(options: PancreasPhantomOptions, number: int) -> tuple[Volume, Volume, Abdomen]:
    """The series of a patient (HU, int16), the label on its grid (uint8), and what was drawn.

    The same options and patient give the same voxels, whatever other patients there are.
    """
    rng = _stream(options, number, "patient")
    field_of_view = float(rng.uniform(*options.field_of_view))
    abdomen = draw_abdomen(options, field_of_view, rng)
    grid = _plan(options, field_of_view, abdomen, rng)
    build = abdomen.patient.build
    canvas = Canvas.blank(*canvas_axes(Scan(grid, grid), margin=3.0), build)
    canvas.pancreas = np.zeros_like(canvas.liver)
    paint_abdomen(canvas, abdomen, _stream(options, number, "anatomy"))
    canvas.standard.clear()
    rng = _stream(options, number, "noise")
    image = scanned(
        acquire(canvas.venous, canvas, grid), _noise(options.noise, grid, build, rng), grid
    )
    # In one piece: nobody annotates lobules that lie by themselves.
    drawn = largest_component(acquire(canvas.pancreas, canvas, grid) >= _LEAST_SHARE)
    return image, Volume(drawn.astype(np.uint8), grid), abdomen


def _stream(options: PancreasPhantomOptions, number: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose of one patient, independent of other purposes and patients."""
    return np.random.default_rng([options.seed, number, *purpose.encode()])


def _plan(
    options: PancreasPhantomOptions,
    field_of_view: float,
    abdomen: Abdomen,
    rng: np.random.Generator,
) -> Geometry:
    """The slices: from above the diaphragm down, or around the pancreas if there are too few."""
    build = abdomen.patient.build
    middle = tuple(place + rng.normal(0, 3) for place in build.centre[:2])
    fewest, most = options.slices
    count, step = int(rng.integers(fewest, most + 1)), options.slice_spacing
    length = (count - 1) * step
    low, high = abdomen.range
    top = build.centre[2] + rng.uniform(8, 30)
    if top - length > low:
        top = max(low + length, (low + high + length) / 2)
    return axial_grid(options.matrix, field_of_view, middle, round(top - length, 1), count, step)


def _noise(
    strength: tuple[float, float], grid: Geometry, build: Build, rng: np.random.Generator
) -> np.ndarray:
    """Noise of a series in HU, float32 (z, y, x); its standard deviation is drawn."""
    noise = float(rng.uniform(*strength)) * correlated_noise(grid, rng)
    noise *= noise_profile(grid, build.centre[:2], 150 * build.scale[0])
    return noise


def _as_distributed(label: Volume, from_head: bool) -> Volume:
    """The label in the order of the slices' numbers, under a header that places it elsewhere."""
    array = label.array[::-1] if from_head else label.array
    geometry = label.geometry
    return Volume(array, Geometry(geometry.shape, geometry.spacing, direction=_ELSEWHERE))


def _millilitres(label: Volume) -> float:
    return float(label.array.sum()) * float(np.prod(label.geometry.spacing)) / 1000
