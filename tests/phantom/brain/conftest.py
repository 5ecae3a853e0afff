"""Some small simulated patients, made once."""

from dataclasses import dataclass

import numpy as np
import pytest

from remodal.intake.datasets.brats_phantom import BratsPhantomOptions, patient
from remodal.phantom.brain.brats_files import simulate_images


@dataclass(frozen=True)
class Scanned:
    """A patient: grade, images by sequence and label (z, y, x), and millilitres in a voxel."""

    grade: str
    images: dict[str, np.ndarray]
    label: np.ndarray
    millilitres: float

    def standing_out(self, sequence: str, value: int) -> float:
        """By how many standard deviations of the brain a region is brighter than the brain."""
        image = self.images[sequence]
        brain = image[(image > 0) & (self.label == 0)]
        return float((image[self.label == value].mean() - brain.mean()) / brain.std())


@pytest.fixture(scope="session")
def options() -> BratsPhantomOptions:
    return BratsPhantomOptions(cases=19, matrix=60, slices=39)


@pytest.fixture(scope="session")
def patients(options) -> list[Scanned]:
    """The first nineteen: fourteen gliomas of high grade and five of low grade."""
    found = []
    for index in range(19):
        one = patient(options, index)
        images, label, _ = simulate_images(options, one)
        found.append(
            Scanned(
                one.grade,
                {name: image.array.astype(float) for name, image in images.items()},
                label.array,
                float(np.prod(label.geometry.spacing)) / 1000,
            )
        )
    return found
