"""A small abdomen in two phases with a known breathing motion between them."""

from dataclasses import dataclass

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.settings import RegistrationSettings

GRID = Geometry((22, 40, 40), (8.0, 7.0, 9.0), (-160.0, -130.0, 400.0))


@dataclass(frozen=True)
class Abdomen:
    """`fixed` is venous, `moving` arterial; `truth` is (3, z, y, x) in mm, as in `displacement`.

    `liver` is on the fixed grid, `moved_liver` on the moving one.
    """

    fixed: Volume
    moving: Volume
    liver: np.ndarray
    moved_liver: np.ndarray
    truth: np.ndarray


def points_of(grid: Geometry) -> np.ndarray:
    """LPS positions of the voxels, (3, z, y, x), by the affine matrix."""
    index = np.indices(grid.shape)[::-1].reshape(3, -1)
    places = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    return places.reshape(3, *grid.shape)


def motion(points: np.ndarray) -> np.ndarray:
    """Up to 12 mm towards the feet around the liver, less elsewhere, 2 mm along x everywhere."""
    x, y, z = points
    weight = np.exp(-(((x + 40) / 200) ** 2 + (y / 180) ** 2 + ((z - 490) / 180) ** 2))
    return np.stack([2 + 0 * weight, -3 * weight, -12 * weight])


def tissue(points: np.ndarray, arterial: bool) -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units and liver of the fixed (undeformed) anatomy."""
    x, y, _ = points

    def ellipsoid(centre, radii):
        return sum(((p - c) / r) ** 2 for p, c, r in zip(points, centre, radii)) < 1

    image = np.full(x.shape, -1000.0)
    image[(x / 140) ** 2 + (y / 100) ** 2 < 1] = 50
    image[(x / 115) ** 2 + (y / 78) ** 2 < 1] = -90
    liver = ellipsoid((-45, -5, 490), (68, 62, 62))
    image[liver] = 70 if arterial else 115
    for centre in ((-70, 10, 500), (-30, -25, 480), (-45, 20, 470)):
        image[ellipsoid(centre, (14, 13, 15))] = 130 if arterial else 40
    image[ellipsoid((75, 15, 500), (28, 36, 45))] = 140 if arterial else 120
    image[ellipsoid((55, -25, 450), (25, 25, 30))] = 20
    image[(x / 20) ** 2 + ((y - 55) / 18) ** 2 < 1] = 250
    image[((x - 8) / 12) ** 2 + ((y - 25) / 12) ** 2 < 1] = 300 if arterial else 150
    return image, liver


def scan(fixed: Geometry, moving: Geometry) -> Abdomen:
    """The abdomen as each phase shows it, on its own grid."""
    generator = np.random.default_rng(3)

    def before_the_motion(places: np.ndarray) -> np.ndarray:
        source = places
        for _ in range(15):
            source = places - motion(source)
        return source

    def scanned(grid: Geometry, arterial: bool) -> Volume:
        places = points_of(grid)
        steps = [(grid.affine[:3, :3] @ np.full(3, s)).reshape(3, 1, 1, 1) for s in (-0.3, 0.3)]
        samples = (places + step for step in steps)
        sources = (before_the_motion(at) if arterial else at for at in samples)
        image = np.mean([tissue(source, arterial)[0] for source in sources], axis=0)
        noise = generator.normal(0, 8, image.shape)
        return Volume(np.rint(image + noise).astype(np.int16), grid)

    places = points_of(fixed)
    return Abdomen(
        fixed=scanned(fixed, False),
        moving=scanned(moving, True),
        liver=tissue(places, False)[1],
        moved_liver=tissue(before_the_motion(points_of(moving)), True)[1],
        truth=motion(places),
    )


@pytest.fixture(scope="session")
def abdomen() -> Abdomen:
    return scan(GRID, GRID)


@pytest.fixture(scope="session")
def quick() -> RegistrationSettings:
    """Rigid and B-spline in about a second."""
    options = {"resolutions": 2, "iterations": 100, "samples": 800}
    return RegistrationSettings(fixed="venous", options={"elastix": options})
