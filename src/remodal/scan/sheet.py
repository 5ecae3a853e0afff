"""Write what a scan found: the sample sheet, links to each image's files, and all choices."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from remodal.intake.sheet import text_of_sheet
from remodal.results.files import explain, write_text
from remodal.scan.cases import ScannedCase
from remodal.scan.choosing import Choice
from remodal.settings.names import label_name

_COLUMNS = ("case", "modality", "path", "label", "label_on", "group", "patient")
_CHOICES = (
    *("case", "modality", "sureness", "taken", "why", "series", "slices", "spacing", "path"),
    *("first_file", "description"),
)
_HEAD = """\
# Made by `remodal scan`. Look it over beside the contact sheet, mend it, and let `remodal init NAME
# SHEET` write the study. A line that begins with `#` is left out; take the `#` away if
# the image is the right one. Paths lead to links to the scanner's files, one folder per image.
"""


class WrittenSheet(NamedTuple):
    """What became of the sample sheet.

    Attributes:
        path: the sheet that was written: beside one that was edited, which stays as it is.
        moved: paths in the edited sheet that lead to other files than before.
    """

    path: Path
    moved: list[str]


def write_sheet(output: Path, folder: Path, cases: Sequence[ScannedCase]) -> WrittenSheet:
    """Write the sample sheet, and a folder of links for each image, taken or not, and each label.

    Images of low sureness are in the sheet as comments, with the reason. A sheet that was edited
    since the last scan is not touched: the new one is written beside it.

    Args:
        output: the sheet.
        folder: folder of the scan's files, which gets `images`, replaced as a whole.
        cases: all examinations.

    Raises:
        UserError: a sheet that was edited is no text.
        EnvironmentProblem: something cannot be written.
    """
    images, last = folder / "images", folder / "sheet.tsv"
    edited = output.exists() and not (last.exists() and output.read_bytes() == last.read_bytes())
    named = {path: _targets(path) for path in _paths_in(output, images)} if edited else {}
    lines = [_HEAD + "\t".join(_COLUMNS)]
    try:
        if images.exists():
            shutil.rmtree(images)
        for case in cases:
            if case.taken:
                lines += [f"# {case.case}: {note}" for note in case.notes]
            for choice in case.taken.values():
                lines += _lines(case, choice, *_link(images / case.case, choice))
            for place, choice in _others(case):
                _link_files(_place_of_other(folder, case, place), choice)
    except OSError as error:
        raise explain(error, images) from error
    text, written = "\n".join(lines) + "\n", output
    if edited:
        written = output.with_suffix(f".new{output.suffix}")
    write_text(written, text)
    write_text(last, text)
    return WrittenSheet(
        written, [str(path) for path, targets in named.items() if _targets(path) != targets]
    )


def _paths_in(sheet: Path, images: Path) -> list[Path]:
    """The paths in a sheet that lead to links of a scan."""
    cells = (
        cell.strip() for line in text_of_sheet(sheet).splitlines() for cell in line.split("\t")
    )
    return [Path(cell) for cell in dict.fromkeys(cells) if cell.startswith(f"{images}{os.sep}")]


def _targets(path: Path) -> list[str]:
    """Where the links of an image's folder lead, in the order of its slices; or a label's link."""
    links = sorted(path.iterdir()) if path.is_dir() else [path]
    return [os.readlink(link) for link in links if link.is_symlink()]


def _lines(case: ScannedCase, choice: Choice, path: Path, label: Path | None) -> Iterable[str]:
    modality = choice.verdict.name
    drawn = (str(label), modality) if label else ("", "")
    cells = [case.case, modality, str(path), *drawn, "", case.patient]
    line = "\t".join(cells)
    if choice.verdict.sureness == "low":
        yield f"# not sure: {'; '.join(choice.verdict.reasons)}"
        yield f"#{line}"
    else:
        yield line


def _link(folder: Path, choice: Choice) -> tuple[Path, Path | None]:
    """Link a volume's files in the order of its slices, and its label beside them."""
    image = folder / choice.verdict.name
    _link_files(image, choice)
    if not choice.label:
        return _named(image, choice), None
    label = folder / f"{label_name(choice.verdict.name)}.dcm"
    label.symlink_to(os.path.abspath(choice.label))
    return _named(image, choice), label


def _named(folder: Path, choice: Choice) -> Path:
    """What a sheet calls the volume that is linked in a folder: the folder, or an image in it."""
    part = choice.volume.part
    return folder if part is None else folder.with_name(f"{folder.name}#.{part}")


def _link_files(folder: Path, choice: Choice) -> None:
    folder.mkdir(parents=True)
    for number, file in enumerate(choice.volume.files, 1):
        (folder / f"{number:05d}.dcm").symlink_to(os.path.abspath(file))


def _others(case: ScannedCase) -> list[tuple[int, Choice]]:
    """Volumes that could be taken instead, with their places among all."""
    usable = [(place, one) for place, one in enumerate(case.choices, 1) if one.judged.usable]
    return [(place, one) for place, one in usable if not one.taken]


def _place_of_other(folder: Path, case: ScannedCase, place: int) -> Path:
    return folder / "images" / case.case / f"other{place}"


def write_choices(folder: Path, cases: Sequence[ScannedCase]) -> None:
    """Write `choices.tsv`: what became of every volume, one line each, with the reason.

    `path` is what the sheet would name to take another volume.
    """
    lines = ["\t".join(_CHOICES)]
    for case in cases:
        others = dict(_others(case))
        for place, choice in enumerate(case.choices, 1):
            path = ""
            if choice.taken:
                path = str(_named(folder / "images" / case.case / choice.verdict.name, choice))
            elif place in others:
                path = str(_named(_place_of_other(folder, case, place), choice))
            lines.append("\t".join(map(cell, _described(case.case, choice, path))))
    write_text(folder / "choices.tsv", "\n".join(lines) + "\n")


def _described(case: str, choice: Choice, path: str) -> tuple[str, ...]:
    volume, verdict = choice.volume, choice.verdict
    spacing = volume.geometry.spacing if volume.geometry else ()
    reasons = [choice.said, *verdict.reasons, *volume.notes]
    return (
        case,
        verdict.name,
        verdict.sureness if verdict.name else "",
        "yes" if choice.taken else "no",
        "; ".join(filter(None, reasons)),
        volume.get("SeriesNumber"),
        str(len(volume.instances)),
        " x ".join(f"{one:.3g}" for one in spacing),
        path,
        volume.files[0],
        volume.description,
    )


def cell(text: str) -> str:
    """Text as one cell of a TSV file: one line, no tab, nothing that a spreadsheet would run."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown
