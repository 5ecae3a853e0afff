"""The Multi-Modality Whole Heart Segmentation challenge (MM-WHS, 2017) as it is distributed.

`ct_train_1001_image.nii.gz` and `ct_train_1001_label.nii.gz` to 1020, likewise `mr_train_...`, in
the folders that they were packed in; `ct_test_2001_image.nii.gz` ... without readable labels. CT
and MR are of different patients. The label's values are far apart (205 to 850) and become 1 to 7.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import (
    files_below,
    named_folder,
    reading_folders,
    require_images_of,
)
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

CT, MR = "ct", "mr"
#: Myocardium and cavity of the left ventricle and so on: the value here, and the file's.
MYOCARDIUM, LEFT_ATRIUM, LEFT_VENTRICLE, RIGHT_ATRIUM, RIGHT_VENTRICLE, AORTA, PULMONARY_ARTERY = (
    range(1, 8)
)
_VALUES = (
    (MYOCARDIUM, 205),
    (LEFT_ATRIUM, 420),
    # A slip in the set, in a few voxels of one label; public readers of it take it for 420 too.
    (LEFT_ATRIUM, 421),
    (LEFT_VENTRICLE, 500),
    (RIGHT_ATRIUM, 550),
    (RIGHT_VENTRICLE, 600),
    (AORTA, 820),
    (PULMONARY_ARTERY, 850),
)
#: How far below the folder that a user names files are looked for.
_DEPTH = 3
_FILE = re.compile(r"((ct|mr)_(train|test)_\d{4})_image\.nii(?:\.gz)?")
_EXPECTED = "MM-WHS's ct_train_1001_image.nii.gz, ct_train_1001_label.nii.gz ..."


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases below the folder `data.folder`: `ct_train_1001`, `mr_train_1001` ...

    A study of `ct`, of `mr` or of both takes the cases with such an image; no case has both. If
    `data.unlabelled` is `train`, the images for testing are unlabelled cases; otherwise they are
    left out.

    Raises:
        UserError: no folder is named, it holds none of the challenge's images or one twice, or the
            study wants another modality.
        EnvironmentProblem: a folder may not be read.
    """
    require_images_of(settings, (CT, MR), "MM-WHS")
    folder = named_folder(settings, _EXPECTED)
    images = _images(folder)
    sets = ("train", "test") if settings.data.unlabelled == "train" else ("train",)
    return [
        _case(name, modality, image)
        for (name, modality, part), image in sorted(images.items())
        if part in sets and modality in settings.data.modalities
    ]


def _images(folder: Path) -> dict[tuple[str, str, str], Path]:
    """The images by their cases' names, with modality and set (`train` or `test`)."""
    images: dict[tuple[str, str, str], Path] = {}
    with reading_folders():
        for path in sorted(files_below(folder, _DEPTH)):
            if named := _FILE.fullmatch(path.name):
                key = named[1], named[2], named[3]
                if images.setdefault(key, path) != path:
                    raise UserError(
                        f"is there twice, as {images[key]} too",
                        where=str(path),
                        remedy="remove one of them",
                    )
    if not images:
        raise UserError("holds no image of MM-WHS", where=str(folder), expected=_EXPECTED)
    return images


def _case(name: str, modality: str, image: Path) -> CaseSource:
    label = image.with_name(image.name.replace("_image.", "_label."))
    there = "_train_" in name and label.is_file()
    labels = {modality: LabelSource((label,), renumbered=_VALUES)} if there else {}
    return CaseSource(name, name, "", {modality: image}, labels)
