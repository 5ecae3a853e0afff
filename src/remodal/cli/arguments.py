"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
Preprocessed = Annotated[Path, typer.Option(help="Folder of the fold's preprocessed cases.")]
Registered = Annotated[Path, typer.Option(help="Folder of the data set's registered cases.")]
