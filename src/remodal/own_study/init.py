"""`remodal init`: a folder to work in, the study of one's own data, or a sheet to fill in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from remodal.counting import counted
from remodal.errors import UserError
from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.sheet import COLUMNS, modalities_of_sheet
from remodal.own_study.bids_source import bids_options
from remodal.own_study.facts import Facts, sheet_source
from remodal.own_study.folder import prepare_folder
from remodal.own_study.study_file import study_text
from remodal.own_study.survey import survey
from remodal.results.files import write_text
from remodal.settings import Settings
from remodal.settings.composition import validated
from remodal.settings.names import PSEUDONYM
from remodal.settings.places import CONFIG

_FEWEST = 2

_SHEET = """\
# One line per image, cells separated by tabs. `case` is a pseudonym, `modality` a word of your own
# (arterial, t1 ...), `path` a DICOM folder or a NIfTI, NRRD or MHA file, `label` the mask that was
# drawn on it. The other cells may stay empty; docs/own-data.md of remodal describes them.
{heading}
"""


def init(name: str, source: Path | None, folder: Path = Path()) -> Iterator[str]:
    """Write a study of one's own data; what exists is never overwritten.

    Args:
        name: of the study and of its data set.
        source: a sample sheet, or a folder in BIDS; None: a sheet to fill in is written.
        folder: the one to work in; its config/ gets the study.

    Yields:
        What was written and found, and the next commands.

    Raises:
        UserError: a name that is none, a source that is neither, a wrong sheet, or too few cases.
        EnvironmentProblem: something cannot be written.
    """
    if not PSEUDONYM.fullmatch(name):
        expected = "1 to 64 letters, digits, `_` or `-`"
        raise UserError(f"`{name}` is not a valid name of a study", where="init", expected=expected)
    if source is None:
        yield from _start_sheet(name, folder)
        return
    study = folder / CONFIG / "studies" / f"{name}.yaml"
    if study.exists():
        yield from prepare_folder(folder, name)
        yield f"{study} is there and stays as it is; to write it anew, remove it first"
        yield _next(name)
        return
    settings = _provisional(name, source)
    cases = cases_of(settings)
    _require_labels(cases, source)
    seen, refused = survey(cases)
    facts = Facts(name, _named(settings), settings.data.modalities, cases, seen)
    text = study_text(facts)
    yield from (f"cannot be used: {line}" for line in refused)
    yield from prepare_folder(folder, name)
    write_text(study, text)
    classes = ", ".join(f"{key} {values}" for key, values in facts.classes().items())
    found = f"{counted(len(cases), 'case')}, {', '.join(facts.modalities)}; classes {classes}"
    yield f"{study}: {found}"
    yield _next(name)


def _next(name: str) -> str:
    chosen = f"{{study: {name}, preset: smoke}}"
    return (
        "Look it over, then:\n"
        f'  remodal settings --config "{chosen}" -o settings.yaml\n'
        "  remodal check --settings settings.yaml\n"
        f"  snakemake --cores 2 --config study={name} preset=smoke"
    )


def _start_sheet(name: str, folder: Path) -> Iterator[str]:
    sheet = folder / CONFIG / f"{name}.tsv"
    yield from prepare_folder(folder, name)
    if sheet.exists():
        yield f"{sheet} is there and stays as it is"
    else:
        write_text(sheet, _SHEET.format(heading="\t".join(COLUMNS)))
        yield str(sheet)
    yield f"Fill it in (or let `remodal scan` do so), then:\n  remodal init {name} {sheet}"


def _provisional(name: str, source: Path) -> Settings:
    """Settings that name the data set, for asking it for its cases.

    Raises:
        UserError: the source is no sheet and no folder in BIDS.
    """
    if source.is_dir():
        options = bids_options(source)
        data: dict[str, Any] = {"source": "bids", "folder": str(source)}
        data |= {"options": {"bids": options}}
        modalities = list(options["images"])
    else:
        modalities = modalities_of_sheet(source)
        data = sheet_source(source)
    data |= {"name": name, "modalities": modalities, "truth": "image", "classes": {"any": [1]}}
    content = {
        **{"study": name, "preset": "smoke", "title": name, "data": data},
        "registration": {"method": "none", "fixed": modalities[0]},
        "methods": {"nnunet": {"type": "nnunet"}},
        "scenarios": {modality: {"present": [modality]} for modality in modalities},
    }
    return validated(content, str(source))


def _named(settings: Settings) -> dict[str, object]:
    """The settings that name the data set in its study."""
    data = settings.data
    if data.source == "sheet":
        return sheet_source(data.sheet or Path())
    return {"source": data.source, "folder": str(data.folder), "options": data.options}


def _require_labels(cases: list[CaseSource], source: Path) -> None:
    patients = {case.patient for case in cases if case.labels}
    if len(patients) < _FEWEST:
        raise UserError(
            f"patients with a label: {len(patients)}",
            where=str(source),
            expected=f"at least {_FEWEST}, to train on one and test on the other",
            remedy="name the labels in the sheet's column `label`; those of a BIDS folder lie in "
            "its `derivatives`",
        )
