"""Your own data: from an export of a PACS to a sample sheet and a study."""

import os
from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import Output
from remodal.cli.interruption import goes_on

commands = typer.Typer()


@commands.command()
@goes_on("what was read")
def scan(
    folder: Annotated[Path, typer.Argument(help="Export of a PACS: any nesting, any names.")],
    output: Output,
    modalities: Annotated[
        str,
        typer.Option(
            help="Images to look for: arterial, venous, plain, late, t1, t1ce, t2, flair, or a "
            "name with a pattern for descriptions, as `t2=haste|t2.*tse`; separated by commas."
        ),
    ] = "arterial,venous",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read; by default one per core.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="File of a secret: the same patient gets the same pseudonym wherever the same key "
            "is used. By default patients are numbered."
        ),
    ] = None,
) -> None:
    """Write the sample sheet of an export, to look over; the same command goes on if stopped."""
    from remodal.scan.modalities import parse_modalities
    from remodal.scan.scan import scan as scan_export

    wanted = parse_modalities(modalities)
    count = workers or len(os.sched_getaffinity(0))
    for line in scan_export(folder, output, wanted, count, key):
        typer.echo(line)


@commands.command()
def init(
    name: Annotated[str, typer.Argument(help="Name of the study: letters, digits, `_`, `-`.")],
    source: Annotated[
        Path | None,
        typer.Argument(help="A sample sheet, or a folder in BIDS; none: write a sheet to fill in."),
    ] = None,
) -> None:
    """Write a study of your own data into config/ here; nothing that exists is overwritten."""
    from remodal.own_study.init import init as write_study

    for line in write_study(name, source):
        typer.echo(line)
