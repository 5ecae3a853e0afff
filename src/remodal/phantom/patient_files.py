"""Write a painted patient to files: two images, the annotation, the truth and the record.

```
<output>/arterial, venous         folders of DICOM slices, or .nii.gz files, as the layout says
<output>/label.dcm or .nii.gz     the annotation of the venous image: 1 liver, 2 tumour
<output>/label-arterial...        that of the arterial image, if one is wanted
<output>/truth/displacement.mha   breathing (see breathing.write_displacement), tests only
<output>/truth/liver.nii.gz       liver with its tumours on the venous grid, tests only
<output>/record.json
```
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets import phantom as cohort
from remodal.intake.datasets.phantom import Layout, PhantomOptions
from remodal.intake.nifti import write_volume
from remodal.phantom.breathing import Displacement, write_displacement
from remodal.phantom.canvas import Canvas
from remodal.phantom.dicom_writer import (
    Examination,
    SeriesDescription,
    draw_examination,
    write_series,
)
from remodal.phantom.lesions import (
    Tissues,
    draw_diameters,
    paint_lesion,
    paint_perfusion_differences,
    place_lesions,
)
from remodal.phantom.placement import Placement, draw_placement
from remodal.phantom.scanner import (
    Scan,
    acquire,
    correlated_noise,
    noise_profile,
    scanned,
)
from remodal.phantom.segmentation_writer import write_segmentation
from remodal.results.files import sha256
from remodal.results.records import Record, write_record

_LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Painted:
    """A patient ready to be scanned.

    Attributes:
        canvas: both phases and the ground truth, as the venous series shows them.
        scan: the grids of both series.
        breathing: from venous to arterial (breathing.py).
        trunk: middle x, y and radius of the trunk in mm, for the noise.
        noise: standard deviation of the noise, HU.
        facts: what the record says about the patient.
    """

    canvas: Canvas
    scan: Scan
    breathing: Displacement
    trunk: tuple[float, float, float]
    noise: float
    facts: dict


def stream(settings: PhantomOptions, index: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose of one case, independent of other purposes and cases."""
    return np.random.default_rng([settings.seed, index, *purpose.encode()])


def paint_lesions(
    canvas: Canvas,
    distance: np.ndarray,
    box: tuple[slice, slice, slice],
    tissues: Tissues,
    scan: Scan,
    settings: PhantomOptions,
    index: int,
    texture: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[dict]:
    """Paint a case's lesions, and what can be mistaken for them, into its liver.

    Args:
        canvas: the patient.
        distance: distance to the liver's surface within `box`, mm, negative inside.
        box: the liver's box.
        tissues: HU.
        scan: lesions are placed within the slices of its annotated series.
        settings: number and size of the lesions.
        index: number of the case.
        texture: see `paint_lesion`.

    Returns:
        What the record says about each lesion.
    """
    rng = stream(settings, index, "lesions")
    paint_perfusion_differences(canvas, distance, box, rng)
    kind = cohort.lesion_type(settings, index)
    diameters = draw_diameters(settings.lesions, settings.lesion_diameter, rng)
    room = canvas.liver.copy()
    room_distance = np.where(room[box] > 0.5, distance, np.maximum(distance, 1.0))
    axes = canvas.x[box[2]], canvas.y[box[1]], canvas.z[box[0]]
    origin, height = scan.venous.origin[2], scan.venous.spacing[2] * (scan.venous.shape[0] - 1)
    lesions = place_lesions(kind, diameters, room_distance, axes, (origin, origin + height), rng)
    described = []
    for lesion in lesions:
        contrast = paint_lesion(canvas, lesion, tissues, room, rng, texture)
        described.append(
            {
                "type": kind,
                "centre_mm": [round(c, 1) for c in lesion.centre],
                "diameter_mm": round(2 * lesion.radius, 1),
                "contrast_hu": contrast,
            }
        )
    return described


def write_patient(painted: Painted, settings: PhantomOptions, index: int, output: Path) -> Record:
    """Scan a painted patient in both phases and write everything of the layout above."""
    output = Path(output)
    layout = cohort.layout_of(settings, index)
    placement = draw_placement(layout.askew, stream(settings, index, "placement"))
    examination, series = _examination(painted, settings, index)
    _remove_other_layouts(output, layout)
    hashes, images, slices = {}, {}, {}
    for modality in cohort.MODALITIES:
        volume = _scan_phase(painted, modality, stream(settings, index, f"{modality} noise"))
        images[modality] = placement.stored(volume, getattr(layout, modality).axes)
        path = output / layout.file_of(modality)
        if getattr(layout, modality).suffix:
            write_volume(path, images[modality])
            hashes[modality] = sha256(path)
        else:
            slices[modality], hashes[modality] = write_series(
                path, images[modality], examination, series[modality]
            )
    labels = {
        modality: placement.stored(_annotation(painted, modality), getattr(layout, modality).axes)
        for modality in dict.fromkeys(("venous", *settings.annotated))
    }
    for modality in settings.annotated:
        path = output / layout.label_of(modality)
        if modality in slices:
            write_segmentation(path, labels[modality].array, slices[modality], examination)
        else:
            write_volume(path, labels[modality])
    _write_truth(output / "truth", painted, placement, labels["venous"])
    record = Record(
        case=cohort.case_name(index),
        stage="simulate",
        details={
            "group": cohort.lesion_type(settings, index),
            "spacing": {name: image.geometry.spacing for name, image in images.items()},
            "shape": {name: image.geometry.shape for name, image in images.items()},
            "sha256": hashes,
            "noise_hu": round(painted.noise, 2),
            **_as_scanned(painted.facts, placement),
        },
    )
    write_record(output / "record.json", record)
    return record


def _examination(
    painted: Painted, settings: PhantomOptions, index: int
) -> tuple[Examination, dict[str, SeriesDescription]]:
    """What the files say about a patient's examination, and about the series of each phase."""
    rng = stream(settings, index, "examination")
    # What is left out leaves a patient the same: other patients, and who annotates which image.
    origin = settings.model_dump_json(exclude={"cases", "annotated"})
    identity = f"{painted.facts['source']} {index} {origin}"
    examination = draw_examination(identity, cohort.case_name(index), index, rng)
    # Late arterial and portal venous phase, in seconds after the start of the injection.
    return examination, {
        "arterial": SeriesDescription("arterial", 2, float(rng.uniform(32, 40))),
        "venous": SeriesDescription("venous", 3, float(rng.uniform(66, 78))),
    }


def _write_truth(folder: Path, painted: Painted, placement: Placement, label: Volume) -> None:
    """Write the breathing, and the liver of a venous label."""
    write_displacement(folder / "displacement.mha", painted.breathing, placement)
    liver = (label.array > 0).astype(np.uint8)
    write_volume(folder / "liver.nii.gz", label.with_array(liver))


def _remove_other_layouts(output: Path, layout: Layout) -> None:
    """Remove images and label of a patient who was written here before in another layout."""
    kept = _files_of(layout)
    for other in cohort.LAYOUTS.values():
        for name in _files_of(other) - kept:
            path = output / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _files_of(layout: Layout) -> set[str]:
    return {
        name(modality)
        for modality in cohort.MODALITIES
        for name in (layout.file_of, layout.label_of)
    }


def _as_scanned(facts: dict, placement: Placement) -> dict:
    """The facts, with the lesions' centres in the scanner's coordinates."""
    return facts | {
        "lesions": [
            lesion | {"centre_mm": placement.points(lesion["centre_mm"]).round(1).tolist()}
            for lesion in facts["lesions"]
        ]
    }


def _scan_phase(painted: Painted, modality: str, rng: np.random.Generator) -> Volume:
    canvas = painted.canvas
    geometry, back = _place(painted, modality)
    hu = acquire(getattr(canvas, modality), canvas, geometry, back)
    noise = correlated_noise(geometry, rng)
    noise *= painted.noise * noise_profile(geometry, painted.trunk[:2], painted.trunk[2])
    return scanned(hu, noise, geometry)


def _place(painted: Painted, modality: str) -> tuple[Geometry, Displacement | None]:
    """Grid of a series, and where its tissue lies in the patient as painted (see `acquire`)."""
    back = painted.breathing.inverse() if modality == "arterial" else None
    return getattr(painted.scan, modality), back


def _annotation(painted: Painted, modality: str) -> Volume:
    """Label map of an image, on its grid: 1 liver, 2 tumour, uint8."""
    canvas = painted.canvas
    geometry, back = _place(painted, modality)
    tumour = acquire(canvas.tumour, canvas, geometry, back)
    liver = acquire(np.maximum(canvas.liver, canvas.tumour), canvas, geometry, back)
    # Even on a grid too coarse for any of the lesions, the most visible one is annotated.
    tumour = (tumour > 0) & (tumour >= min(_LEAST_SHARE, 0.8 * float(tumour.max())))
    liver = (liver >= _LEAST_SHARE) | tumour
    labels = liver.astype(np.uint8)
    labels[tumour] = 2
    return Volume(labels, geometry)
