"""The sample sheet: which file is which modality of which case, one line per image.

A TSV file with a heading line. The columns `case`, `modality` and `path` are required; `label`,
`structures`, `label_on`, `group`, `patient` and `mask` are optional. Lines that are blank or begin
with `#` are ignored. A case that lacks a modality has no line for it, or one whose `path` is empty.
"""

import codecs
import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.label_source import LabelSource, parse_label, parse_structures
from remodal.settings.names import PSEUDONYM

REQUIRED = ("case", "modality", "path")
COLUMNS = (*REQUIRED, "label", "label_on", "group", "patient", "structures", "mask")
_OF_CASE = ("group", "patient")
_OF_LABEL = ("label", "structures")
_LONGEST_GROUP = 64


class SheetError(UserError):
    """What is wrong with a sheet, one line per problem."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        word = "problem" if len(problems) == 1 else "problems"
        super().__init__(f"{len(problems)} {word} in the sample sheet", where=str(path))
        self.problems = list(problems)
        self.args = ("\n".join([f"{path}: {self.what}", *(f"  {one}" for one in problems)]),)


@dataclass(frozen=True)
class Image:
    """One line of the sheet.

    `path` and the label's files are absolute or relative to the working directory. `label` is the
    one that was drawn on this image, whichever line of the case names it. `patient` is the case
    itself if the sheet names none. `mask` is what a trained model crops or registers this image by;
    training and testing do not read it.
    """

    case: str
    modality: str
    path: Path
    label: LabelSource | None
    group: str
    patient: str
    mask: Path | None = None


@dataclass(frozen=True)
class _Row:
    """Cells of one line by column, and the line's number."""

    line: int
    cells: dict[str, str]

    def bad(self, column: str, what: str, expected: str) -> str:
        return f"line {self.line}, column `{column}`: {what}; expected {expected}"


def read_sheet(path: Path, modalities: Sequence[str], truth: str = "case") -> list[Image]:
    """Read and check a sample sheet, without looking at the files that it names.

    Without `label_on`, a label was drawn on the image of its own line. If the images of a case
    share one truth, there is one label, on any line of the case or on all of them. Group and
    patient may be given once per case.

    Args:
        path: the TSV file.
        modalities: the study's modalities.
        truth: `data.truth`; with `case` there is one label for all images of a case.

    Returns:
        The images, case by case, in the order of the sheet.

    Raises:
        SheetError: every bad cell with its line, column and what was expected.
    """
    rows, problems = _read_rows(Path(path))
    for row in rows:
        problems += _bad_cells(row, modalities)
    if not problems:
        problems += _bad_cases(rows, truth)
    if not problems and not rows:
        problems.append("there is no line with an image; expected one line per image")
    if problems:
        raise SheetError(path, problems)
    return [
        _image(row, of_case)
        for of_case in _by_case(rows).values()
        for row in of_case
        if row.cells["path"]
    ]


def modalities_of_sheet(path: Path) -> list[str]:
    """The modalities that a sheet names, in the order in which they appear.

    Raises:
        SheetError: a wrong heading, or no line with an image.
        UserError: the sheet cannot be read.
    """
    rows, problems = _read_rows(Path(path))
    if not problems and not rows:
        problems = ["there is no line with an image; expected one line per image"]
    if problems:
        raise SheetError(path, problems)
    return list(dict.fromkeys(filter(None, (row.cells["modality"] for row in rows))))


def _read_rows(path: Path) -> tuple[list[_Row], list[str]]:
    text = text_of_sheet(path)
    lines = [
        (number, line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        return [], ["the sheet is empty; expected a heading line and one line per image"]
    heading = [cell.strip() for cell in _cells(lines[0][1])]
    problems = _bad_heading(lines[0][0], heading)
    if problems:
        return [], problems
    rows = []
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in _cells(line)]
        if len(cells) > len(heading) and any(cells[len(heading) :]):
            problems.append(
                f"line {number}: {len(cells)} cells; expected {len(heading)}, separated by tabs"
            )
            continue
        cells += [""] * (len(heading) - len(cells))
        rows.append(_Row(number, dict.fromkeys(COLUMNS, "") | dict(zip(heading, cells))))
    return rows, problems


def text_of_sheet(path: Path) -> str:
    """The sheet's text: UTF-8, or what Excel calls Unicode text (UTF-16).

    Raises:
        UserError: the sheet cannot be read, or has another encoding.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError("cannot be read", where=str(path), expected="a sample sheet") from error
    # UTF-16 without a byte order mark is recognised by the zero byte of its first letter.
    encoding = "utf-8-sig"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif 0 in raw[:2]:
        encoding = "utf-16-be" if raw[0] == 0 else "utf-16-le"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            "is not text",
            where=str(path),
            expected="a TSV file in UTF-8",
            remedy="in a spreadsheet choose `Text (tab delimited)` or `Unicode text`",
        ) from error


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], dialect="excel-tab"), [])


def _bad_heading(line: int, heading: list[str]) -> list[str]:
    known = f"columns separated by tabs: {', '.join(COLUMNS)}"
    for name, separator in (("semicolons", ";"), ("commas", ",")):
        if len(heading) == 1 and set(REQUIRED) <= set(map(str.strip, heading[0].split(separator))):
            return [f"line {line}: the columns are separated by {name}; expected {known}"]
    problems = [
        f"line {line}: column `{name}` is missing; expected {known}"
        for name in REQUIRED
        if name not in heading
    ]
    for name in dict.fromkeys(heading):
        if name not in COLUMNS:
            problems.append(f"line {line}: unknown column `{name}`; expected {known}")
        elif heading.count(name) > 1:
            problems.append(f"line {line}: column `{name}` is there twice; expected {known}")
    return problems


def _bad_cells(row: _Row, modalities: Sequence[str]) -> Iterator[str]:
    """What is wrong within one line."""
    cells = row.cells
    pseudonym = "1 to 64 letters, digits, `_` or `-` (it names folders)"
    if not PSEUDONYM.fullmatch(cells["case"]):
        yield row.bad("case", _seen(cells["case"]), pseudonym)
    if cells["patient"] and not PSEUDONYM.fullmatch(cells["patient"]):
        yield row.bad("patient", _seen(cells["patient"]), pseudonym)
    known = f"one of {', '.join(modalities)}"
    if cells["modality"] not in modalities:
        yield row.bad("modality", _seen(cells["modality"]), known)
    if cells["label_on"] and cells["label_on"] not in modalities:
        yield row.bad("label_on", _seen(cells["label_on"]), known)
    if cells["label_on"] and not cells["label"]:
        yield row.bad("label_on", "there is no label", "a path in column `label`, or nothing here")
    if cells["structures"] and not cells["label"]:
        yield row.bad("structures", "there is no label", "a path in column `label`")
    yield from _bad_label(row)
    if cells["mask"] and not cells["path"]:
        yield row.bad("mask", "there is no image", "a path in column `path`, or nothing here")
    for column in ("path", "label", "structures", "mask"):
        if not cells[column].isprintable():
            yield row.bad(column, "holds a control character", "text")
    if len(cells["group"]) > _LONGEST_GROUP or not cells["group"].isprintable():
        yield row.bad("group", _seen(cells["group"]), f"at most {_LONGEST_GROUP} characters")


def _bad_label(row: _Row) -> Iterator[str]:
    """What is wrong with the columns `label` and `structures` by themselves."""
    try:
        list(parse_structures(row.cells["structures"]))
    except ValueError as error:
        yield f"line {row.line}, column `structures`: {error}"
        return
    try:
        if row.cells["label"]:
            parse_label(row.cells["label"], row.cells["structures"])
    except ValueError as error:
        yield f"line {row.line}, column `label`: {error}"


def _seen(cell: str) -> str:
    return f"`{cell[:40]}`" if cell else "is empty"


def _by(key: Callable[[_Row], str], rows: list[_Row]) -> dict[str, list[_Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def _by_case(rows: list[_Row]) -> dict[str, list[_Row]]:
    return _by(lambda row: row.cells["case"], rows)


def _bad_cases(rows: list[_Row], truth: str) -> Iterator[str]:
    """What is wrong between the lines of a case, if all cells are right by themselves."""
    for case, of_case in _by_case(rows).items():
        first: dict[str, _Row] = {}
        for row in of_case:
            earlier = first.setdefault(row.cells["modality"], row)
            if earlier is not row:
                what = f"case `{case}` has it already in line {earlier.line}"
                yield row.bad("modality", what, "one line per modality")
        present = {row.cells["modality"] for row in of_case if row.cells["path"]}
        if not present:
            yield of_case[0].bad("path", f"case `{case}` has no image", "one at least")
            continue
        for column in _OF_CASE:
            yield from _disagreements(case, of_case, column, "the same on all lines of a case")
        yield from (_two_labels if truth == "case" else _two_of_an_image)(case, of_case)
        for row in of_case:
            if row.cells["label"] and _drawn_on(row) not in present:
                what = f"case `{case}` has no image for `{_drawn_on(row)}`"
                yield row.bad("label_on", what, "a modality of the case")


def _two_labels(case: str, rows: list[_Row]) -> Iterator[str]:
    """Labels that differ where the images of a case share one truth."""
    expected = "one label per case, or `data.truth: image` in the study for one of each image"
    columns = [column for column in _OF_LABEL if len(set(_all_given(rows, column))) > 1]
    for column in columns:
        yield from _disagreements(case, rows, column, expected)
    if not columns:
        yield from _disagreements(case, rows, "label_on", expected, _drawn_on)


def _two_of_an_image(case: str, rows: list[_Row]) -> Iterator[str]:
    """Labels that differ although they were drawn on the same image."""
    labelled = [row for row in rows if row.cells["label"]]
    for image, drawn in _by(_drawn_on, labelled).items():
        for column in _OF_LABEL:
            yield from _disagreements(case, drawn, column, f"one label of the {image} image")


def _disagreements(
    case: str,
    rows: list[_Row],
    column: str,
    expected: str,
    value_of: Callable[[_Row], str] | None = None,
) -> Iterator[str]:
    """A line for each row whose value differs from that of the first row that has one."""
    value_of = value_of or (lambda row: row.cells[column])
    given = [row for row in rows if value_of(row)]
    for row in given[1:]:
        if value_of(row) != value_of(given[0]):
            what = (
                f"`{value_of(row)}`, but `{value_of(given[0])}` in line {given[0].line} "
                f"of the same case `{case}`"
            )
            yield row.bad(column, what, expected)


def _drawn_on(row: _Row) -> str:
    """Modality on which the line's label was drawn, empty without a label."""
    return (row.cells["label_on"] or row.cells["modality"]) if row.cells["label"] else ""


def _image(row: _Row, of_case: list[_Row]) -> Image:
    """One line's image, with what other lines of its case say about it."""
    drawn = [other for other in of_case if _drawn_on(other) == row.cells["modality"]]
    label, structures = (_given(drawn, column) for column in _OF_LABEL)
    return Image(
        case=row.cells["case"],
        modality=row.cells["modality"],
        path=Path(row.cells["path"]),
        label=parse_label(label, structures) if label else None,
        group=_given(of_case, "group"),
        patient=_given(of_case, "patient") or row.cells["case"],
        mask=Path(row.cells["mask"]) if row.cells["mask"] else None,
    )


def _given(rows: list[_Row], column: str) -> str:
    """The first non-empty cell of a column; empty if there is none."""
    return next(iter(_all_given(rows, column)), "")


def _all_given(rows: list[_Row], column: str) -> list[str]:
    return [row.cells[column] for row in rows if row.cells[column]]
