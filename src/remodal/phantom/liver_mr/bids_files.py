"""Write a simulated pair as a BIDS folder: T1 and T2, and a label drawn on each.

```
<output>/dataset_description.json, participants.tsv
<output>/sub-001/ses-1/anat/sub-001_ses-1_T1w.nii.gz, sub-001_ses-1_T2w.nii.gz
<output>/derivatives/manual/sub-001/ses-1/anat/sub-001_ses-1_space-T1w_dseg.nii.gz, ..._space-T2w_
<output>/record.json
```
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.geometry.volume import Volume
from remodal.intake.datasets.t1t2_phantom import (
    PIPELINE,
    SUFFIXES,
    Pair,
    T1T2PhantomOptions,
    lesion_type,
    pair_of,
    stored_case,
)
from remodal.intake.nifti import write_volume
from remodal.phantom.liver_mr.patient import Painted, paint, stream
from remodal.phantom.liver_mr.pose import AS_PAINTED, Moved, Pose, draw_pose
from remodal.phantom.liver_mr.scanner import (
    Acquisition,
    Slices,
    acquired,
    labelled,
    plan_slices,
    sampled,
)
from remodal.phantom.scanner import axes_of
from remodal.phantom.shapes import Array, Waves
from remodal.results.files import sha256, write_json, write_text
from remodal.results.records import Record, write_record

Rng = np.random.Generator
#: How far apart slices of T2 are, as a share of their distance.
_GAP = {"t1": 0.0, "t2": 0.1}


@dataclass(frozen=True)
class Scanned:
    """An image of a pair and the label on its grid, along the slices' own axes."""

    image: Array
    label: Array
    slices: Slices

    def stored(self, array: Array) -> Volume:
        """One of the two as it is stored, its axes pointing to the right, front and head."""
        return self.slices.placement.stored(Volume(array, self.slices.grid), "RAS")


def simulate_case(options: T1T2PhantomOptions, case: str, output: Path, source: Path) -> Record:
    """Simulate the pair of this name; `source` is unused (see intake.simulation)."""
    pair = pair_of(options, case)
    scans, painted, moved = simulate_pair(options, pair)
    stored = stored_case(pair, output)
    labels = {}
    for name, scan in scans.items():
        (drawn,) = stored.labels[name].files
        labels[name] = scan.stored(scan.label)
        for path, volume in ((stored.images[name], scan.stored(scan.image)), (drawn, labels[name])):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(path, volume)
    group = lesion_type(options, pair.patient)
    _describe(output, pair, group)
    places = {name: _centroid(label) for name, label in labels.items()}
    away = places["t2"] - places["t1"]
    files = [*stored.images.values(), *(label.files[0] for label in stored.labels.values())]
    record = Record(
        case=case,
        stage="simulate",
        details={
            "group": group,
            "lesions": painted.lesions,
            "displacement_mm": round(float(np.linalg.norm(away)), 1),
            "displacement_xyz_mm": [round(float(part), 1) for part in away],
            "breathing_mm": round(moved.breathing, 1),
            "liver_ml": {name: round(_millilitres(label), 1) for name, label in labels.items()},
            "shape": {name: list(label.array.shape) for name, label in labels.items()},
            "spacing": {name: list(label.geometry.spacing) for name, label in labels.items()},
            "sha256": {path.name: sha256(path) for path in files},
        },
    )
    write_record(output / "record.json", record)
    return record


def simulate_pair(
    options: T1T2PhantomOptions, pair: Pair
) -> tuple[dict[str, Scanned], Painted, Moved]:
    """Both images of a pair with their labels, the patient, and what moved between them.

    The same options and pair give the same voxels, whatever other pairs there are.
    """
    painted = paint(options, pair.patient)
    rng = stream(options, pair.patient, f"pair {pair.session}")
    moved = draw_pose(options, painted, rng)
    scans = {
        "t1": _scan(options, painted, "t1", AS_PAINTED, rng),
        "t2": _scan(options, painted, "t2", moved.pose, rng),
    }
    return scans, painted, moved


def _scan(
    options: T1T2PhantomOptions, painted: Painted, modality: str, pose: Pose, rng: Rng
) -> Scanned:
    """One image of a pair and its label."""
    canvas, number = painted.canvas, list(SUFFIXES).index(modality)
    second = modality == "t2"
    width = painted.field_of_view * (rng.uniform(*options.t2_field_of_view) if second else 1)
    tilt = np.zeros(3)
    if rng.random() < options.oblique:
        tilt = rng.uniform(*options.tilt) * _direction(rng)
    size = options.matrix[number], options.slices[number]
    slices = plan_slices(canvas, pose, width, size, tuple(tilt), _GAP[modality], rng)
    drawn = canvas.arterial if second else canvas.venous
    (signal,) = sampled(drawn[None], canvas, slices, pose)
    stray = _stray(options.reading, slices, rng)
    shares = sampled(np.stack([canvas.liver, canvas.tumour]), canvas, slices, pose, stray)
    liver = painted.patient.tissues["liver"]
    acquisition = Acquisition(
        liver=liver.arterial if second else liver.venous,
        gain=float(np.exp(rng.uniform(np.log(150), np.log(700)))),
        noise=float(rng.uniform(*options.noise)),
        bias=float(rng.uniform(*options.bias)),
        ghosting=float(rng.uniform(*options.ghosting)) if second else 0.0,
        period=float(rng.uniform(0.12, 0.3)),
    )
    return Scanned(acquired(signal, slices, acquisition, rng), labelled(shares), slices)


def _direction(rng: Rng) -> Array:
    direction = rng.normal(size=3)
    return direction / np.linalg.norm(direction)


def _stray(size: float, slices: Slices, rng: Rng) -> Array:
    """How far a reader's border strays at each voxel (3, z, y, x), mm."""
    axes = axes_of(slices.grid)
    # Each component has the standard deviation that the distance to the border is to have.
    return np.stack([np.float32(size) * Waves.drawn(rng, 25, 70).on(*axes) for _ in range(3)])


def _describe(output: Path, pair: Pair, group: str) -> None:
    """Write what makes the folder a data set, and its labels another one derived from it."""
    write_text(output / "participants.tsv", f"participant_id\tlesion\n{pair.subject}\t{group}\n")
    described = {"Name": "Simulated T1 and T2 images of livers", "BIDSVersion": "1.8.0"}
    write_json(output / "dataset_description.json", described)
    made = {"DatasetType": "derivative", "GeneratedBy": [{"Name": PIPELINE}]}
    write_json(output / "derivatives" / PIPELINE / "dataset_description.json", described | made)


def _centroid(label: Volume) -> Array:
    """The middle of what is drawn, liver and lesions (x, y, z; LPS), mm."""
    index = np.argwhere(label.array).mean(axis=0)[::-1]
    affine = label.geometry.affine
    return affine[:3, :3] @ index + affine[:3, 3]


def _millilitres(label: Volume) -> float:
    voxel = float(np.prod(label.geometry.spacing)) / 1000
    return float(np.count_nonzero(label.array)) * voxel
