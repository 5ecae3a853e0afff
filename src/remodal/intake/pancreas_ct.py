"""NIH Pancreas-CT as TCIA distributes it: which cases a folder holds, and where their files lie.

```
Pancreas-CT/PANCREAS_0001/<study>/<series>/*.dcm      one portal venous CT of a patient
TCIA_pancreas_labels-02-05-2017/label0001.nii.gz      the pancreas (1) in it
```

What the folders of studies and series are called does not matter: UIDs in old downloads, dates and
the ends of UIDs in those of NBIA's retriever. A label's voxels are in the order of the DICOM files
(columns, rows, InstanceNumber), as public code reads them (MC-Net, OrganSegRSTN, CoraNet); its
header places them elsewhere.

Light (standard library only), since the Snakefile asks for the cases.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.distributed import reading_folders, require_folder

MODALITY = "ct"
PANCREAS = 1
SAME_PATIENT = {"PANCREAS_0025": "PANCREAS_0002", "PANCREAS_0070": "PANCREAS_0002"}
"""Cases that TCIA withdrew in 2020: the scan of case 2, cropped differently."""

_CASE = re.compile(r"PANCREAS_(\d{4})")
_LABEL = re.compile(r"label(\d{4})\.nii(\.gz)?")
#: How far below the folder that a user names: folders of an archive, then cases and labels.
_DEPTH = 5


@dataclass(frozen=True)
class PancreasCase:
    """A case as the folder holds it.

    Attributes:
        name: of its folder, as `PANCREAS_0001`.
        patient: that name, or the one of the case that shows the same patient.
        series: the folder around its DICOM files; there may be none.
        label: its label, or None.
    """

    name: str
    patient: str
    series: Path
    label: Path | None


def series_folder(root: Path, number: int) -> Path:
    """Where a case's series lies below a folder of both archives."""
    return root / "Pancreas-CT" / f"PANCREAS_{number:04d}"


def label_file(root: Path, number: int) -> Path:
    """Where a case's label lies below a folder of both archives."""
    return root / "TCIA_pancreas_labels-02-05-2017" / f"label{number:04d}.nii.gz"


def find_cases(folder: Path) -> list[PancreasCase]:
    """The cases below a folder by number; no image is opened.

    A label without a series is a case too, whose conversion says what is missing; those of the
    withdrawn cases are not.

    Raises:
        UserError: there is no such folder, or it holds no case, or one twice.
        EnvironmentProblem: it may not be read.
    """
    expected = "Pancreas-CT/PANCREAS_0001/... and TCIA_pancreas_labels-02-05-2017/label0001.nii.gz"
    require_folder(folder, expected)
    series: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    with reading_folders():
        for path in _below(folder, _DEPTH):
            for pattern, found in ((_CASE, series), (_LABEL, labels)):
                if match := pattern.fullmatch(path.name):
                    _add(found, f"PANCREAS_{match[1]}", path, folder)
    if not series:
        raise UserError("is no folder of Pancreas-CT", where=str(folder), expected=expected)
    around = next(iter(series.values())).parent
    known = series.keys() | (labels.keys() - SAME_PATIENT.keys())
    return [
        PancreasCase(
            name, SAME_PATIENT.get(name, name), series.get(name, around / name), labels.get(name)
        )
        for name in sorted(known)
    ]


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Files and folders below a folder; what lies in a case's folder is left out."""
    for path in sorted(folder.iterdir()):
        yield path
        if depth > 1 and not _CASE.fullmatch(path.name) and path.is_dir():
            yield from _below(path, depth - 1)


def _add(found: dict[str, Path], name: str, path: Path, folder: Path) -> None:
    if first := found.get(name):
        raise UserError(
            f"`{path.name}` is there twice, in {first.parent} and in {path.parent}",
            where=str(folder),
            expected="every case once",
            remedy="take the copy out of the folder",
        )
    found[name] = path
