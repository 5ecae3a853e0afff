"""The folders of the BraTS challenge as they are distributed: which cases they hold, and where.

What differs between the years is a `Layout`: how the folder of a case is called, how its files are,
and which numbers its label holds. The images of a case are aligned and skull-stripped.

Light (standard library only), since the Snakefile asks for the cases.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.distributed import reading_folders, require_folder

#: The names that the challenge has used most for its four sequences; ours for those of every year.
SEQUENCES = ("t1", "t1ce", "t2", "flair")
GRADES = ("HGG", "LGG")
NECROSIS, OEDEMA, ENHANCING = 1, 2, 4

_SUFFIXES = (".nii.gz", ".nii")
_LABEL = "seg"
#: How far below the folder that a user names: folders of an archive, the grade, the case.
_DEPTH = 4
#: What 2019 and 2020 say about their cases, in two of its columns.
_MAPPING, _GRADE, _SUBJECT = "name_mapping.csv", "Grade", re.compile(r"BraTS_20\d\d_subject_ID")


@dataclass(frozen=True)
class Layout:
    """How the cases of some years are stored.

    Attributes:
        example: a name of a case's folder.
        pattern: of such names; its group `patient` is the patient if one may have several cases.
        separator: between that name and what a file holds, in the file's name.
        words: what the sequences are called in file names.
        values: of necrosis, oedema and enhancing tumour in a label; ours are those until 2021.
        odd_labels: names of label files that do not follow the rule, by case.
    """

    example: str
    pattern: re.Pattern[str]
    separator: str = "_"
    words: Mapping[str, str] = field(default_factory=lambda: dict(zip(SEQUENCES, SEQUENCES)))
    values: tuple[int, int, int] = (NECROSIS, OEDEMA, ENHANCING)
    odd_labels: Mapping[str, str] = field(default_factory=dict)

    def image_name(self, case: str, sequence: str) -> str:
        """Name of an image's file, without its suffix."""
        return f"{case}{self.separator}{self.words[sequence]}"

    def label_name(self, case: str) -> str:
        """Name of the label's file, without its suffix."""
        return f"{case}{self.separator}{_LABEL}"

    @property
    def renumbered(self) -> tuple[tuple[int, int], ...]:
        """Our value and that of a label, for each of its regions."""
        return tuple(zip((NECROSIS, OEDEMA, ENHANCING), self.values))


#: 2017 to 2019, in a folder for each grade.
BY_GRADE = Layout("HGG/Brats18_TCIA01_131_1", re.compile(r"(?i:Brats)1[789]_[A-Za-z0-9_]+_\d+"))
LAYOUTS = (
    BY_GRADE,
    Layout(
        "BraTS20_Training_001",
        re.compile(r"BraTS20_(Training|Validation)_\d{3}"),
        # One label was distributed under its name at the hospital.
        odd_labels={"BraTS20_Training_355": "W39_1998.09.19_Segm"},
    ),
    Layout("BraTS2021_00000", re.compile(r"BraTS2021_\d{5}")),
    Layout(
        "BraTS-GLI-00000-000",
        re.compile(r"(?P<patient>BraTS-[A-Z]{3}-\d{5})-\d{3}"),
        separator="-",
        words={"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"},
        values=(1, 2, 3),
    ),
)


@dataclass(frozen=True)
class BratsCase:
    """A case as its folder holds it.

    Attributes:
        name: of the folder, with the grade in front of it (`HGG__`) where the grade is a folder
            around it: the name that nnU-Net's conversion gives it.
        patient: the patient; the same for several visits.
        grade: `HGG`, `LGG` or empty.
        images: the sequences that are there.
        label: its label, or None.
        folder: where they lie.
        layout: how they are stored.
    """

    name: str
    patient: str
    grade: str
    images: dict[str, Path]
    label: Path | None
    folder: Path
    layout: Layout


def find_cases(folder: Path) -> list[BratsCase]:
    """The cases below a folder, in alphabetical order; no image is opened.

    Raises:
        UserError: there is no such folder, or it holds no case, or one twice.
        EnvironmentProblem: it may not be read.
    """
    require_folder(folder, _expected())
    with reading_folders():
        folders = list(_case_folders(folder, _DEPTH))
        grades = {around: _grades(around) for around in {path.parent for path, _ in folders}}
        found = [_case(path, layout, grades[path.parent]) for path, layout in folders]
    if not found:
        raise UserError("is no folder of BraTS", where=str(folder), expected=_expected())
    _require_once(found, folder)
    return sorted(found, key=lambda case: case.name)


def _require_once(found: Iterable[BratsCase], folder: Path) -> None:
    """Check that no case is in two folders."""
    by_folder: dict[str, BratsCase] = {}
    for case in found:
        first = by_folder.setdefault(case.folder.name, case)
        if first is not case:
            raise UserError(
                f"`{case.folder.name}` is there twice, in {first.folder.parent} and in "
                f"{case.folder.parent}",
                where=str(folder),
                expected="every case once",
                remedy="name the folder of one year, and take copies out of it",
            )


def _expected() -> str:
    examples = ", ".join(f"{layout.example}/" for layout in LAYOUTS)
    return f"folders of cases as BraTS distributes them, such as {examples}"


def _case_folders(folder: Path, depth: int) -> Iterator[tuple[Path, Layout]]:
    """The folders of cases, down to some depth, with their layouts."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            continue
        layout = next((one for one in LAYOUTS if one.pattern.fullmatch(path.name)), None)
        if layout:
            yield path, layout
        elif depth > 1:
            yield from _case_folders(path, depth - 1)


def _grades(folder: Path) -> dict[str, str]:
    """Grade of each case that the table in a folder names; without a table none."""
    path = folder / _MAPPING
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else {}) if name and _SUBJECT.fullmatch(name)]
    return {
        row[column]: row[_GRADE] for row in rows for column in columns if row.get(_GRADE) in GRADES
    }


def _case(folder: Path, layout: Layout, grades: Mapping[str, str]) -> BratsCase:
    around = folder.parent.name
    images = {
        sequence: _file(folder, layout.image_name(folder.name, sequence)) for sequence in SEQUENCES
    }
    label = _file(folder, layout.label_name(folder.name))
    if label is None and folder.name in layout.odd_labels:
        label = _file(folder, layout.odd_labels[folder.name])
    named = layout.pattern.fullmatch(folder.name).groupdict().get("patient")
    name = f"{around}__{folder.name}" if around in GRADES else folder.name
    return BratsCase(
        name=name,
        patient=named or name,
        grade=around if around in GRADES else grades.get(folder.name, ""),
        images={sequence: path for sequence, path in images.items() if path},
        label=label,
        folder=folder,
        layout=layout,
    )


def _file(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)
