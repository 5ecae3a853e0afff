"""Miniatures of public data sets: their files, a study of them, and what conversion makes."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import yaml

from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import CaseSource
from remodal.intake.nifti import read_volume
from remodal.settings import Settings
from remodal.settings.composition import compose
from tests.workspace import ROOT

SHAPE = (10, 9, 8)


def write(path: Path, array: np.ndarray) -> None:
    """Write an image whose header gives 0.8 x 0.8 x 2.5 mm; folders are made."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.8, 0.8, 2.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def image(seed: int = 0) -> np.ndarray:
    """Noise about the intensity of tissue in CT."""
    return np.random.default_rng(seed).normal(50, 40, SHAPE).astype(np.int16)


def label(*values: int, dtype: type = np.uint8) -> np.ndarray:
    """A label with a block of each value, one per slice from the second on."""
    array = np.zeros(SHAPE, dtype)
    for place, value in enumerate(values, start=1):
        array[place, 2:5, 3:6] = value
    return array


def study(folder: Path, configuration: Path, **data) -> Settings:
    """A study as a user writes it: a few lines in a file, with the defaults of the house.

    Args:
        folder: of the data set.
        configuration: a new folder for the study, beside the house's presets.
        **data: section `data` but for its name and folder.
    """
    modalities = data["modalities"]
    method = {"type": "nnunet", "modalities": modalities[:1]}
    if data.get("unlabelled") == "train":
        pools = [{"cases": name, "samples": 1} for name in ("labelled", "unlabelled")]
        method = {"type": "mean_teacher", "recipe": {"pools": pools}}
    written = {
        "title": data["source"],
        "data": {"name": data["source"], "folder": str(folder), **data},
        "registration": {"method": "none", "fixed": modalities[0]},
        "methods": {"a": method},
        "scenarios": {modalities[0]: modalities[:1]},
    }
    for part in ("presets", "config.yaml"):
        if not (configuration / part).exists():
            configuration.mkdir(parents=True, exist_ok=True)
            (configuration / part).symlink_to(ROOT / "config" / part)
    (configuration / "studies").mkdir(exist_ok=True)
    (configuration / "studies/public.yaml").write_text(yaml.safe_dump(written))
    return compose({"study": "public", "preset": "smoke"}, configuration)


def converted(case: CaseSource, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The only image of a case, and its label."""
    ((modality, source),) = case.images.items()
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{modality}.json", folder / f"{modality}.nii.gz"
    convert_image(source, *reversed(files), case=case.case, modality=modality)
    made = folder / "label.nii.gz", folder / "label.json"
    convert_label(case.labels[modality], *files, *made, case=case.case, drawn_on=modality)
    return read_volume(files[1]).array, read_volume(made[0]).array
