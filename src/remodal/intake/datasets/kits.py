"""The Kidney Tumor Segmentation challenge (KiTS) of 2019, 2021 and 2023 as it is distributed.

A folder for each case, `case_00000` ..., with `imaging.nii.gz` and its label: `segmentation.nii.gz`
(2019, 2023), or `aggregated_MAJ_seg.nii.gz`, the majority of several annotators (2021). A label
holds 1 for the kidney and 2 for tumours; since 2021, 3 for cysts. The repositories
(neheller/kits19, kits21, kits23) hold the labels, and images once they were downloaded. Cases 210
to 299 of 2019 have no label.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, only_modality, reading_folders
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

KIDNEY, TUMOUR, CYST = 1, 2, 3
IMAGE, LABELS = "imaging.nii.gz", ("segmentation.nii.gz", "aggregated_MAJ_seg.nii.gz")

_NAME = re.compile(r"case_\d{5}")
#: How far below the folder that a user names cases are looked for: the repository's, `kits21/data`.
_DEPTH = 4
_EXPECTED = f"KiTS's case_00000/{IMAGE}, case_00000/{LABELS[0]} ..."


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases below the folder `data.folder`, by the names of their folders.

    The image is the study's only modality, whatever that calls it. A case without a label is
    unlabelled; one without an image stays, so that its conversion says what is wrong.

    Raises:
        UserError: no folder is named, it holds no case or one twice, or the study has several
            modalities.
        EnvironmentProblem: a folder may not be read.
    """
    modality = only_modality(settings, "KiTS", "ct")
    folder = named_folder(settings, _EXPECTED)
    found: dict[str, Path] = {}
    with reading_folders():
        for case in _case_folders(folder, _DEPTH):
            if found.setdefault(case.name, case) != case:
                raise UserError(
                    f"is there twice, as {found[case.name]} too",
                    where=str(case),
                    remedy="name the folder of one year: the years share their cases",
                )
    if not found:
        raise UserError("holds no case of KiTS", where=str(folder), expected=_EXPECTED)
    return [_case(found[name], modality) for name in sorted(found)]


def _case_folders(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            continue
        if _NAME.fullmatch(path.name):
            yield path
        elif depth > 1:
            yield from _case_folders(path, depth - 1)


def _case(folder: Path, modality: str) -> CaseSource:
    values = tuple((value, value) for value in (KIDNEY, TUMOUR, CYST))
    label = next((folder / name for name in LABELS if (folder / name).is_file()), None)
    labels = {modality: LabelSource((label,), renumbered=values)} if label else {}
    return CaseSource(folder.name, folder.name, "", {modality: folder / IMAGE}, labels)
