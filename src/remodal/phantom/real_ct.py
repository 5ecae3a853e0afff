"""A second anatomy: lesions, an arterial phase and breathing simulated into a real CT.

Training on synthetic tumours in real CT is an accepted method (Hu et al., CVPR 2023). The real
image serves as the venous phase. Each synthetic patient is the same person, stretched and bent a
little, with their own lesions, breathing and noise; beyond the top and bottom of a short scan, the
anatomy continues as its mirror image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.errors import UserError
from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets import phantom as cohort
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.intake.nifti import read_volume
from remodal.phantom.breathing import TrunkFrame, draw_breathing, linear_sample
from remodal.phantom.canvas import Canvas
from remodal.phantom.lesions import Tissues
from remodal.phantom.patient_files import Painted, paint_lesions, stream, write_patient
from remodal.phantom.phases import Tissue
from remodal.phantom.reference_ct import fetch as fetch  # a part of what a simulation has
from remodal.phantom.scanner import Scan
from remodal.phantom.shapes import Waves
from remodal.results.records import Record

# Change from the venous to the arterial phase, HU, by value of the organ labels.
_ARTERIAL_CHANGE = {52: 130.0, 1: 32.0, 2: 15.0, 3: 15.0, 7: 14.0, 63: -15.0, 64: -40.0}
_FAT, _BODY = -30.0, -300.0


def read_real_ct(folder: Path) -> tuple[Volume, np.ndarray, np.ndarray | None]:
    """Read what `fetch` wrote, or a CT of the user's own under the same names.

    Returns:
        The CT, its liver as booleans (z, y, x), and its organ labels if there are any.

    Raises:
        UserError: there is no CT.
    """
    folder = Path(folder)
    if not (folder / "ct.nii.gz").is_file():
        raise UserError("holds no CT", where=str(folder), remedy="run `remodal fetch` first")
    organs = folder / "organs.nii.gz"
    return (
        read_volume(folder / "ct.nii.gz"),
        read_volume(folder / "liver.nii.gz").array > 0,
        read_volume(organs).array if organs.exists() else None,
    )


def simulate_case(options: PhantomOptions, case: str, output: Path, source: Path) -> Record:
    """Simulate the patient with this case name into the CT in `source` (see intake.simulation)."""
    volume, liver, organs = read_real_ct(source)
    return simulate_on_ct(volume, liver, options, cohort.index_of(case, options), output, organs)


def simulate_on_ct(
    volume: Volume,
    liver: np.ndarray,
    settings: PhantomOptions,
    index: int,
    output: Path,
    organs: np.ndarray | None = None,
) -> Record:
    """Simulate one patient into a real CT; writes what `dual_phase` writes.

    The slices are the CT's own; `settings.matrix` is the in-plane size of the images written, which
    show a square around the body. `settings.slices`, `slice_spacing` and `field_of_view` do not
    apply.

    Args:
        volume: real CT with contrast in HU.
        liver: its liver, bool (z, y, x).
        settings: lesions, noise, breathing and matrix.
        index: number of the case, from 0.
        output: folder of the case.
        organs: TotalSegmentator labels (z, y, x), if known: with them, blood vessels and other
            organs change in the arterial phase, too, and not only the liver.

    Raises:
        UserError: the mask does not fit the CT or is empty.
    """
    if liver.shape != volume.array.shape or not liver.any():
        raise UserError(
            f"the liver mask {liver.shape} is empty or not on the grid of the CT",
            expected=f"a mask of {volume.array.shape}",
        )
    rng = stream(settings, index, "patient")
    person = _cropped(_axial(volume, liver, organs))
    # A short scan cannot show a large shift: use at most a quarter of its length.
    most = 0.25 * person.spacing[0] * len(volume.array)
    shift = min(float(rng.uniform(*settings.breathing)), most) * float(rng.choice([-1, 1]))
    canvas, change, margin = _bent(person, settings, rng)
    scan = _scan(canvas, margin, shift, settings.matrix, rng)
    tissues, texture = _arterial_phase(canvas, change, rng)
    distance, box = _liver_distance(canvas)
    lesions = paint_lesions(canvas, distance, box, tissues, scan, settings, index, texture)
    frame = _frame(canvas)
    rng = stream(settings, index, "scan")
    axes = (canvas.x, canvas.y, canvas.z)
    breathing = draw_breathing(frame, axes, canvas.liver, shift, rng)
    trunk = (*frame.centre, frame.half_width)
    facts = {"source": "real_ct", "lesions": lesions, "breathing_mm": round(shift, 2)}
    noise = float(rng.uniform(*settings.noise))
    painted = Painted(canvas, scan, breathing, trunk, noise, facts)
    return write_patient(painted, settings, index, output)


@dataclass(frozen=True)
class _Person:
    """A CT with axes along x, y, z.

    Attributes:
        maps: HU, liver (0 or 1) and arterial change in HU; float32 (3, z, y, x).
        spacing: (z, y, x) in mm.
    """

    maps: np.ndarray
    spacing: tuple[float, float, float]


def _axial(volume: Volume, liver: np.ndarray, organs: np.ndarray | None) -> _Person:
    change = np.zeros(volume.array.shape, np.float32)
    for label, amount in _ARTERIAL_CHANGE.items():
        if organs is not None:
            change[organs == label] = amount
    # An oblique CT is used as it is: how the person lay in the scanner does not matter here.
    orientation = Orientation.of(volume.geometry)
    maps = [orientation.apply(array) for array in (volume.array, liver, change)]
    return _Person(np.stack(maps, dtype=np.float32), orientation.spacing(volume.geometry))


def _cropped(person: _Person) -> _Person:
    """The square around the body, in-plane."""
    from scipy import ndimage

    labels, count = ndimage.label(person.maps[0] > _BODY)
    if count:
        body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        box = ndimage.find_objects(body.astype(np.uint8))[0][1:]
    else:
        box = tuple(slice(0, length) for length in person.maps.shape[2:])
    side = round(1.06 * max(part.stop - part.start for part in box))
    side = min(side, *person.maps.shape[2:])
    window = []
    for part, length in zip(box, person.maps.shape[2:]):
        start = int(np.clip((part.start + part.stop - side) // 2, 0, length - side))
        window.append(slice(start, start + side))
    return _Person(person.maps[:, :, window[0], window[1]], person.spacing)


def _bent(
    person: _Person, settings: PhantomOptions, rng: np.random.Generator
) -> tuple[Canvas, np.ndarray, int]:
    """Stretch and bend the person into another.

    Returns:
        A canvas of the new person whose two phases are still alike, the arterial change, and how
        many mirrored slices continue the scan above and below.
    """
    margin = int(np.ceil((1.6 * settings.breathing[1] + 6) / person.spacing[0]))
    padding = ((0, 0), (margin, margin), (0, 0), (0, 0))
    maps = np.pad(person.maps, padding, mode="reflect" if person.maps.shape[1] > 1 else "edge")
    across, along = rng.uniform(0.93, 1.07), rng.uniform(0.95, 1.05)
    spacing = [round(person.spacing[0] * along, 2), *(s * across for s in person.spacing[1:])]
    middle = (round(rng.uniform(-500, 400), 1), -180 + rng.normal(0, 4), rng.normal(0, 4))
    z, y, x = (
        centre + step * (np.arange(length) - (length - 1) / 2)
        for centre, step, length in zip(middle, spacing, maps.shape[1:])
    )
    bends = [Waves.drawn(rng, 110, 220) for _ in range(3)]
    sizes = [size / step for size, step in zip((1.0, 3.5, 3.5), spacing)]
    grid = np.ogrid[tuple(slice(0, length) for length in maps.shape[1:])]
    bent = np.empty_like(maps)
    for k in range(maps.shape[1]):
        moved = [size * bend.on(x, y, z[k : k + 1])[0] for bend, size in zip(bends, sizes)]
        index = (k + moved[0], grid[1][0] + moved[1], grid[2][0] + moved[2])
        bent[:, k] = linear_sample(maps, *index)
    canvas = Canvas(x, y, z, bent[0].copy(), bent[0], bent[1], np.zeros_like(bent[1]))
    return canvas, bent[2], margin


def _scan(canvas: Canvas, margin: int, shift: float, matrix: int, rng: np.random.Generator) -> Scan:
    """The grids of both series: that of the venous one has the CT's own slices.

    The arterial series is longer by the distance of the breathing, so that it shows all of that
    anatomy.
    """
    step = round(float(canvas.z[1] - canvas.z[0]), 2)
    fine = float(canvas.x[1] - canvas.x[0])
    pixel = round(fine * len(canvas.x) / matrix, 6)
    corner = [
        round(float(axis[0] + axis[-1] - pixel * (matrix - 1)) / 2, 3)
        for axis in (canvas.x, canvas.y)
    ]
    count = len(canvas.z) - 2 * margin
    lowest = round(float(canvas.z[margin]), 3)
    spacing = (pixel, pixel, step)
    venous = Geometry((count, matrix, matrix), spacing, (*corner, lowest))
    more = min(margin - 1, int(np.ceil((1.3 * abs(shift) + 2) / step)))
    count += 2 * more
    lowest = round(lowest - more * step + rng.uniform(-0.8, 0.8) * step, 1)
    return Scan(Geometry((count, matrix, matrix), spacing, (*corner, lowest)), venous)


def _arterial_phase(
    canvas: Canvas, change: np.ndarray, rng: np.random.Generator
) -> tuple[Tissues, tuple[np.ndarray, np.ndarray]]:
    """Turn the canvas' arterial image, a copy of the venous one, into an arterial phase.

    The liver keeps only a share of its enhancement, and its bright vessels lose more; the other
    organs change by amounts that depend on their labels.

    Returns:
        HU of liver and blood for the lesions, and the scan's own grain within the liver.
    """
    from scipy import ndimage

    liver = canvas.liver
    sigma = [2.5 / step for step in canvas.spacing_zyx]
    weight = ndimage.gaussian_filter(liver, sigma)
    smooth = ndimage.gaussian_filter(liver * canvas.venous, sigma) / np.maximum(weight, 1e-3)
    venous = float(np.median(canvas.venous[liver > 0.99]))
    plain = min(rng.uniform(48, 58), venous - 10)
    arterial = plain + rng.uniform(0.25, 0.5) * (venous - plain)
    vessels = np.maximum(smooth - venous - 8, 0)
    canvas.arterial += liver * (arterial - venous - 0.75 * vessels)
    soft = canvas.venous > _FAT
    canvas.arterial += (1 - liver) * soft * change * rng.uniform(0.85, 1.15)
    grain = np.clip(canvas.venous - smooth, -60, 60) * (liver > 0)
    blood = Tissue(float(rng.uniform(240, 310)), max(150.0, venous + 40))
    return {"liver": Tissue(arterial, venous), "aorta": blood}, (grain, grain)


def _liver_distance(canvas: Canvas) -> tuple[np.ndarray, tuple[slice, slice, slice]]:
    """Distance to the liver's surface (mm, negative inside) in a box around it."""
    from scipy import ndimage

    inside = canvas.liver > 0.5
    box = tuple(
        slice(max(part.start - 3, 0), part.stop + 3)
        for part in ndimage.find_objects(inside.astype(np.uint8))[0]
    )
    inside, spacing = inside[box], canvas.spacing_zyx
    outer = ndimage.distance_transform_edt(~inside, sampling=spacing)
    inner = ndimage.distance_transform_edt(inside, sampling=spacing)
    return (outer - inner).astype(np.float32), box


def _frame(canvas: Canvas) -> TrunkFrame:
    """Where the trunk is, judged by the body's outline; the spine lies towards the back."""
    body = canvas.venous[len(canvas.z) // 2] > _BODY
    across, through = (np.flatnonzero(body.mean(axis=axis) > 0.2) for axis in (0, 1))
    left, right = canvas.x[across[0]], canvas.x[across[-1]]
    front, back = canvas.y[through[0]], canvas.y[through[-1]]
    return TrunkFrame(
        centre=((left + right) / 2, (front + back) / 2),
        half_width=0.82 * (right - left) / 2,
        half_depth=0.8 * (back - front) / 2,
        spine=((left + right) / 2, front + 0.72 * (back - front)),
        dome=float(canvas.z[-1]) + 20,
    )
