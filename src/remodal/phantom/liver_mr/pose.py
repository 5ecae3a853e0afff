"""Where a patient lies in an image: the table's position, and how far the patient has breathed in.

T1 shows the patient as painted. Before T2 the table is moved and the patient breathes: tissue at
x is then at x + u(x) + t (LPS, mm).
"""

from dataclasses import dataclass

import numpy as np

from remodal.intake.datasets.t1t2_phantom import T1T2PhantomOptions
from remodal.phantom.anatomy import trunk_frame
from remodal.phantom.breathing import Displacement, draw_breathing, linear_sample
from remodal.phantom.liver_mr.patient import Painted
from remodal.phantom.shapes import Array

Rng = np.random.Generator
#: Three quarters of the displacements lie between half and twice the usual one.
_SPREAD = np.log(2) / 1.15
#: How much of a table's displacement is across and through, relative to along.
_ASIDE = 0.22
_FEWEST_POINTS = 20_000


@dataclass(frozen=True)
class Pose:
    """A patient's place in an image.

    Attributes:
        table: t, mm (3,).
        back: the inverse of x + u(x); None: the patient has not breathed.
    """

    table: Array
    back: Displacement | None = None

    def painted(self, points: Array) -> Array:
        """Where the tissue at points (3, ...) of the scanner was painted, mm."""
        points = points - self.table.astype(np.float32).reshape(3, *(1,) * (points.ndim - 1))
        if self.back is None:
            return points
        return points + _at(self.back, points)


AS_PAINTED = Pose(np.zeros(3))


@dataclass(frozen=True)
class Moved:
    """The pose of T2, and what brings it about.

    Attributes:
        pose: of T2.
        liver: mean displacement of the liver between T1 and T2 (x, y, z), mm.
        breathing: the part of it along z that is due to breathing, mm.
    """

    pose: Pose
    liver: Array
    breathing: float


def draw_pose(options: T1T2PhantomOptions, painted: Painted, rng: Rng) -> Moved:
    """Draw how a patient lies in T2."""
    distance = options.usual_displacement * np.exp(rng.normal(0, _SPREAD))
    distance = float(np.clip(distance, *options.displacement))
    towards = rng.normal((0, 0, rng.choice([-1, 1])), (_ASIDE, _ASIDE, 0.2))
    liver = distance * towards / np.linalg.norm(towards)
    breathing = float(rng.uniform(*options.breathing) * rng.choice([-1, 1]))
    canvas = painted.canvas
    axes = canvas.x, canvas.y, canvas.z
    motion = draw_breathing(trunk_frame(painted.patient), axes, canvas.liver, breathing, rng)
    points = np.argwhere(canvas.liver > 0.5)
    points = points[:: max(1, len(points) // _FEWEST_POINTS)]
    places = np.stack([axis[points[:, 2 - number]] for number, axis in enumerate(axes)])
    by_breathing = _at(motion, places).mean(axis=1)
    return Moved(Pose(liver - by_breathing, motion.inverse()), liver, breathing)


def _at(field: Displacement, points: Array) -> Array:
    """Vectors of a field at points (3, ...), mm."""
    index = [
        (place - axis[0]) / (axis[1] - axis[0])
        for place, axis in zip(points[::-1], (field.z, field.y, field.x))
    ]
    return linear_sample(field.vectors, *index)
