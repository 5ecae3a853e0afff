"""Draws a head: a ball with a smaller one of oedema and core in it, seen by each sequence alike."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from remodal.results.records import Record
from toy_package.heads import Options

#: Intensity of brain, core (1) and oedema (2).
CONTRAST = {"t1": (300, 500, 290), "t2": (300, 320, 500), "flair": (300, 450, 500)}


def simulate_case(options: Options, case: str, output: Path, source: Path) -> Record:
    """Write a case's three images and its label."""
    rng = np.random.default_rng(int(case.removeprefix("head")))
    grid = np.stack(np.meshgrid(*[np.arange(options.size)] * 3, indexing="ij"), axis=-1)
    middle = np.full(3, options.size / 2)
    brain = np.linalg.norm(grid - middle, axis=-1) < 0.45 * options.size
    place = middle + rng.uniform(-3, 3, 3)
    away = np.linalg.norm(grid - place, axis=-1)
    label = np.where(away < 3, 1, np.where(away < 5, 2, 0)).astype(np.uint8)
    output.mkdir(parents=True, exist_ok=True)
    for name, (tissue, core, oedema) in CONTRAST.items():
        seen = np.choose(label, [tissue, core, oedema]) + rng.normal(0, 20, label.shape)
        _write(np.where(brain, seen, 0).astype(np.int16), output / f"{name}.nii.gz")
    _write(label, output / "label.nii.gz")
    return Record(case=case, stage="simulate")


def _write(array: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 1.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))
