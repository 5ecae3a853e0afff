"""Write a simulated patient as BraTS distributes a real one: four images and a label.

```
<output>/HGG/Brats18_SIM_001_1/Brats18_SIM_001_1_flair.nii.gz, ..._t1, ..._t1ce, ..._t2
<output>/HGG/Brats18_SIM_001_1/Brats18_SIM_001_1_seg.nii.gz   1 necrosis, 2 oedema, 4 enhancing
<output>/record.json
```
"""

from pathlib import Path

import numpy as np

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.brats import ENHANCING, NECROSIS, OEDEMA
from remodal.intake.datasets.brats_phantom import (
    BratsPhantomOptions,
    Patient,
    patient_of,
    stored_case,
)
from remodal.intake.nifti import write_volume
from remodal.phantom.brain.anatomy import Brain, draw_head, paint_brain
from remodal.phantom.brain.glioma import Glioma, draw_glioma, grow
from remodal.phantom.brain.mass_effect import push_aside
from remodal.phantom.brain.mr_scanner import acquire, draw_acquisition
from remodal.phantom.brain.tissues import GROWTH, SEQUENCES, TISSUES, draw_brightness
from remodal.phantom.shapes import Array, Waves
from remodal.results.files import sha256
from remodal.results.records import Record, write_record

#: Size of BraTS' grid in mm (x, y, z), and where it begins in LPS.
_EXTENT = (240.0, 240.0, 155.0)
_CORNER = (0.0, -239.0, 0.0)
#: The middle of the standard brain on it (the height is that of the anterior commissure).
_MIDDLE = (119.5, -119.5, 70.0)
#: Farthest that a brain reaches from there, mm: no more of the grid is painted.
_REACH = ((-80, 80), (-100, 100), (-71, 86))

#: By how much the brightness of brain and of tumour varies (standard deviation, relative).
_UNEVEN = (0.025, 0.08)


def simulate_case(options: BratsPhantomOptions, case: str, output: Path, source: Path) -> Record:
    """Simulate the patient of this name; `source` is unused (see intake.simulation)."""
    patient = patient_of(options, case)
    images, label, tumour = simulate_images(options, patient)
    stored = stored_case(patient, output)
    stored.folder.mkdir(parents=True, exist_ok=True)
    for sequence, image in images.items():
        write_volume(stored.images[sequence], image)
    write_volume(stored.label, label)
    record = Record(
        case=case,
        stage="simulate",
        details={
            "group": patient.grade,
            "shape": list(label.geometry.shape),
            "spacing": list(label.geometry.spacing),
            "core_radius_mm": round(tumour.radius, 1),
            "mass_effect_mm": round(tumour.push, 1),
            "sha256": {path.name: sha256(path) for path in stored.folder.iterdir()},
        },
    )
    write_record(output / "record.json", record)
    return record


def simulate_images(
    options: BratsPhantomOptions, patient: Patient
) -> tuple[dict[str, Volume], Volume, Glioma]:
    """The images of a patient by sequence, the label on their grid, and the tumour.

    The same options and patient give the same voxels, whatever other patients there are. The
    patient does not depend on the grid.
    """
    geometry = _grid(options)
    axes, box = _painted_part(geometry)
    head = draw_head(_MIDDLE, _stream(options, patient, "head"))
    rng = _stream(options, patient, "tumour")
    tumour = draw_glioma(patient.grade, options.diameter, options.enhancing, rng)
    (centre,) = head.build.scanner(np.array(tumour.centre))
    brain = push_aside(paint_brain(head, axes), centre, tumour.radius, tumour.push)
    growth = grow(tumour, brain)
    inside = brain.surface < 0
    rng = _stream(options, patient, "scan")
    brightness = draw_brightness(rng)
    # Tumours are less even than the brain.
    uneven = _UNEVEN[0] + (_UNEVEN[1] - _UNEVEN[0]) * growth.sum(axis=0)
    texture = 1 + uneven * Waves.drawn(rng, 8, 40, 40).on(*axes)
    images = {}
    for sequence in SEQUENCES:
        signal = _signal(brain, growth, brightness[sequence]) * texture
        acquisition = draw_acquisition(options.thickness, options.noise, options.bias, rng)
        noise = _stream(options, patient, f"{sequence} noise")
        image = acquire(signal, inside, axes, acquisition, noise)
        images[sequence] = _placed(image, box, geometry)
    return images, _placed(_label(growth, inside), box, geometry), tumour


def _stream(options: BratsPhantomOptions, patient: Patient, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose of one patient, independent of other purposes and patients."""
    return np.random.default_rng([options.seed, patient.number, *purpose.encode()])


def _grid(options: BratsPhantomOptions) -> Geometry:
    """BraTS' grid, or a coarser one of the same extent."""
    shape = (options.slices, options.matrix, options.matrix)
    spacing = tuple(extent / count for extent, count in zip(_EXTENT, shape[::-1]))
    # The corner is that of a voxel of 1 mm; a coarser one's middle lies farther inside.
    origin = tuple(corner + (step - 1) / 2 for corner, step in zip(_CORNER, spacing))
    return Geometry(shape, spacing, origin)


def _painted_part(geometry: Geometry) -> tuple[tuple[Array, ...], tuple[slice, ...]]:
    """The axes (x, y, z; mm) of the part of a grid that may hold brain, and its box (z, y, x)."""
    axes, box = [], []
    for start, step, count, middle, (low, high) in zip(
        geometry.origin, geometry.spacing, geometry.shape[::-1], _MIDDLE, _REACH
    ):
        axis = start + step * np.arange(count)
        part = slice(*np.searchsorted(axis, (middle + low, middle + high)).tolist())
        axes.append(axis[part])
        box.append(part)
    return tuple(axes), tuple(box[::-1])


def _signal(brain: Brain, growth: Array, brightness: dict[str, float]) -> Array:
    """Brightness of the patient in one sequence (z, y, x)."""
    normal = np.array([brightness[tissue] for tissue in TISSUES], np.float32)
    grown = np.array([brightness[tissue] for tissue in GROWTH], np.float32)
    signal = np.tensordot(normal, brain.shares, 1)
    signal *= 1 - growth.sum(axis=0)
    return signal + np.tensordot(grown, growth, 1)


def _label(growth: Array, inside: Array) -> Array:
    """The annotation: the region that has most of a voxel of which half is tumour; uint8."""
    values = np.zeros(len(GROWTH), np.uint8)
    for tissue, value in (
        ("oedema", OEDEMA),
        ("necrosis", NECROSIS),
        ("solid", NECROSIS),
        ("enhancing", ENHANCING),
    ):
        values[GROWTH.index(tissue)] = value
    label = values[growth.argmax(axis=0)]
    label[(growth.sum(axis=0) < 0.5) | ~inside] = 0
    return label


def _placed(array: Array, box: tuple[slice, ...], geometry: Geometry) -> Volume:
    """The painted part on the whole grid."""
    whole = np.zeros(geometry.shape, array.dtype)
    whole[box] = array
    return Volume(whole, geometry)
