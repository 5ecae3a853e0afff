"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.errors import UserError

SettingsFile = Annotated[
    Path, typer.Option("--settings", help="Effective settings of the study (settings.yaml).")
]
Case = Annotated[str, typer.Option(help="Name of the case.")]
Fold = Annotated[int, typer.Option(min=0, help="Fold, from 0.")]
Splits = Annotated[Path, typer.Option(help="splits.json of the study.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")]
RecordFile = Annotated[Path, typer.Option(help="Record (JSON) to write beside the output.")]
Quarantine = Annotated[
    bool,
    typer.Option("--quarantine", help="Go on with a bad case: note the reason, write empty files."),
]
Indexed = Annotated[str, typer.Option(help="The source's digest in the index of its sheet.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Studies = Annotated[
    Path, typer.Option(help="Folder of all studies, one of which may predict masks for this one.")
]
StudyResults = Annotated[Path, typer.Option("--study", help="Folder of the study's results.")]
DataResults = Annotated[Path, typer.Option("--data", help="Folder of the data set's results.")]
Preprocessed = Annotated[Path, typer.Option(help="Folder of the fold's preprocessed cases.")]
Registered = Annotated[Path, typer.Option(help="Folder of the data set's registered cases.")]


def named_values(texts: list[str], where: str) -> dict[str, str]:
    """The values of `name=value` texts, as a repeatable option takes them.

    Raises:
        UserError: a text without a name or a value, or a name twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise UserError(f"`{text}`", where=where, expected="a name and a value: `name=value`")
        if name in found:
            raise UserError(f"`{name}` is there twice", where=where, expected="each name once")
        found[name] = value
    return found
