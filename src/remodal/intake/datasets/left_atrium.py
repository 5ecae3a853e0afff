"""The 2018 left atrium challenge as it is distributed: a folder per scan, with NRRD files.

`lgemri.nrrd` is the late gadolinium-enhanced MRI, `laendo.nrrd` the cavity of the left atrium, 255
inside. There are 100 scans for training and 54 for testing, each set in a folder of its own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, reading_folders, require_images_of
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

MODALITY, LEFT_ATRIUM = "mr", 1
IMAGE, LABEL, INSIDE = "lgemri.nrrd", "laendo.nrrd", 255

#: How far below the folder that a user names: the archive's, the set's, the scan's.
_DEPTH = 3
_EXPECTED = f"folders of scans as the challenge distributes them, each with {IMAGE} and {LABEL}"


def cases(settings: "Settings") -> list[CaseSource]:
    """The scans below the folder `data.folder`, by the names of their folders.

    A scan without a label is unlabelled. The cavity has the value 1.

    Raises:
        UserError: no folder is named, it holds no scan or one twice, or the study wants another
            modality.
        EnvironmentProblem: a folder may not be read.
    """
    require_images_of(settings, [MODALITY], "the left atrium challenge")
    folder = named_folder(settings, _EXPECTED)
    with reading_folders():
        scans = sorted(_scans(folder, _DEPTH), key=lambda scan: scan.name)
    if not scans:
        raise UserError("holds no scan", where=str(folder), expected=_EXPECTED)
    return [_case(scan) for scan in scans]


def _scans(folder: Path, depth: int) -> Iterator[Path]:
    """The folders with an image or a label, down to some depth."""
    for path in folder.iterdir():
        if not path.is_dir():
            continue
        if any((path / name).is_file() for name in (IMAGE, LABEL)):
            yield path
        elif depth > 1:
            yield from _scans(path, depth - 1)


def _case(scan: Path) -> CaseSource:
    label = LabelSource((scan / LABEL,), renumbered=((LEFT_ATRIUM, INSIDE),))
    # A missing image stays named, so that its conversion says what is wrong with the case.
    images = {MODALITY: scan / IMAGE}
    labels = {MODALITY: label} if (scan / LABEL).is_file() else {}
    return CaseSource(scan.name, scan.name, "", images, labels)
