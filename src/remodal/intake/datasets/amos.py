"""The abdominal multi-organ challenge AMOS (2022; CT and MR) as it is distributed.

`imagesTr`, `imagesVa` and `imagesTs` with `labelsTr` and `labelsVa`, whose files are called alike
(`amos_0001.nii.gz`), and a `dataset.json`, which does not say what is CT and what MR: cases up to
500 are CT, those from 501 on (the first is 507) are MR. A label holds 1 to 15: spleen, right
kidney, left kidney, gallbladder, oesophagus, liver, stomach, aorta, inferior vena cava, pancreas,
right adrenal gland, left adrenal gland, duodenum, bladder, prostate or uterus.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, reading_folders, require_images_of
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

CT, MR = "ct", "mr"
ORGANS = 15

_LAST_CT = 500
_FILE = re.compile(r"(amos_(\d{4}))\.nii(?:\.gz)?")
_SETS = {"imagesTr": "labelsTr", "imagesVa": "labelsVa", "imagesTs": ""}
_EXPECTED = "AMOS's folder amos22, with imagesTr and labelsTr"


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases of the folder `data.folder`, or of `amos22` in it, by the names of their files.

    A study of `ct`, of `mr` or of both takes the cases with such an image; no case has both. Those
    for validation are cases as those for training are. If `data.unlabelled` is `train`, the images
    for testing are unlabelled cases; otherwise they are left out.

    Raises:
        UserError: no folder is named, it is none of AMOS, or the study wants another modality.
        EnvironmentProblem: a folder may not be read.
    """
    require_images_of(settings, (CT, MR), "AMOS")
    named = named_folder(settings, _EXPECTED)
    folder = named / "amos22" if (named / "amos22").is_dir() else named
    if not any((folder / images).is_dir() for images in _SETS):
        raise UserError("is no folder of AMOS", where=str(folder), expected=_EXPECTED)
    found = []
    with reading_folders():
        for images, labels in _SETS.items():
            if labels or settings.data.unlabelled == "train":
                found += _cases_of_set(folder / images, folder / labels if labels else None)
    wanted = [case for case in found if set(case.images) <= set(settings.data.modalities)]
    return sorted(wanted, key=lambda case: case.case)


def _cases_of_set(images: Path, labels: Path | None) -> list[CaseSource]:
    """The cases of one of the three sets; none if its folder is missing."""
    values = tuple((value, value) for value in range(1, ORGANS + 1))
    cases = []
    for image in images.iterdir() if images.is_dir() else ():
        if named := _FILE.fullmatch(image.name):
            modality = CT if int(named[2]) <= _LAST_CT else MR
            label = labels / image.name if labels else None
            source = {modality: LabelSource((label,), renumbered=values)} if label else {}
            there = source if label and label.is_file() else {}
            cases.append(CaseSource(named[1], named[1], "", {modality: image}, there))
    return cases
