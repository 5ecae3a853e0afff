"""The Liver Tumour Segmentation challenge (LiTS, 2017) as it is distributed.

Two folders of `volume-<n>.nii` with `segmentation-<n>.nii` beside them (0 to 130), and
`test-volume-<n>.nii` (0 to 69), which have no labels; packed or not. A label holds 1 for the liver
and 2 for lesions. Each patient has one CT, of the portal venous phase as a rule.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import (
    files_below,
    named_folder,
    only_modality,
    reading_folders,
)
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

LIVER, LESION = 1, 2

#: How far below the folder that a user names files are looked for.
_DEPTH = 3
_FILE = re.compile(r"((?:test-)?volume|segmentation)-(\d+)\.nii(?:\.gz)?")
_EXPECTED = "LiTS's volume-0.nii, segmentation-0.nii ..."


def cases(settings: "Settings") -> list[CaseSource]:
    """The patients below the folder `data.folder`: `volume-0` ..., in the order of the numbers.

    The image is the study's only modality, whatever that calls it. If `data.unlabelled` is `train`,
    the images for testing are unlabelled cases; otherwise they are left out. A label whose image is
    missing stays, so that its conversion says what is wrong.

    Raises:
        UserError: no folder is named, it holds none of the challenge's files or one twice, or the
            study has several modalities.
        EnvironmentProblem: a folder may not be read.
    """
    modality = only_modality(settings, "LiTS", "venous")
    files = _files(named_folder(settings, _EXPECTED))
    wanted = ["volume", "test-volume"] if settings.data.unlabelled == "train" else ["volume"]
    found = []
    for kind in wanted:
        labels = _of_kind(files, "segmentation") if kind == "volume" else {}
        images = {n: _beside(label) for n, label in labels.items()} | _of_kind(files, kind)
        found += [
            _case(f"{kind}-{number}", modality, images[number], labels.get(number))
            for number in sorted(images)
        ]
    return found


def _of_kind(files: dict[tuple[str, int], Path], kind: str) -> dict[int, Path]:
    return {number: path for (found, number), path in files.items() if found == kind}


def _files(folder: Path) -> dict[tuple[str, int], Path]:
    """The challenge's files by kind (`volume`, `segmentation`, `test-volume`) and number."""
    files: dict[tuple[str, int], Path] = {}
    with reading_folders():
        for path in sorted(files_below(folder, _DEPTH)):
            if found := _FILE.fullmatch(path.name):
                key = found[1], int(found[2])
                if key in files:
                    raise UserError(
                        f"is there twice, as {files[key]} too",
                        where=str(path),
                        remedy="remove one of them",
                    )
                files[key] = path
    if not files:
        raise UserError("holds no file of LiTS", where=str(folder), expected=_EXPECTED)
    return files


def _beside(label: Path) -> Path:
    """Where the image of a label should be."""
    return label.with_name(label.name.replace("segmentation", "volume"))


def _case(name: str, modality: str, image: Path, label: Path | None) -> CaseSource:
    values = tuple((value, value) for value in (LIVER, LESION))
    labels = {modality: LabelSource((label,), renumbered=values)} if label else {}
    return CaseSource(name, name, "", {modality: image}, labels)
