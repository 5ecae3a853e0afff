"""Whether what is to be shared says whose the images are."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.counting import counted
from remodal.errors import BadCase, UserError

commands = typer.Typer()

#: How many of the sources that could not be read are named.
_SHOWN = 3


@commands.command("check-identity")
def check_identity(
    folders: Annotated[list[Path], typer.Argument(help="What is to be shared.")],
    settings: Annotated[
        Path | None, typer.Option(help="settings.yaml of the study: its sources are read.")
    ] = None,
    sources: Annotated[
        list[Path] | None, typer.Option("--from", help="DICOM folder to read; repeatable.")
    ] = None,
) -> None:
    """Search folders for names, numbers, dates and UIDs of the DICOM files they were made from.

    Prints where which kind of value was found, never the value; the exit code is 2 then. It is 3 if
    none was found, but not everything could be searched; what could not is printed, too.
    """
    from remodal.identity.check import check_identity as check
    from remodal.intake.datasets import cases_of
    from remodal.settings.composition import read_settings

    if not settings and not sources:
        raise UserError("no source is named", expected="--settings or --from")
    paths = list(sources or [])
    if settings:
        paths += [path for case in cases_of(read_settings(settings)) for path in case.paths]
    searched = check(folders, paths)
    for finding in searched.findings:
        typer.echo(finding)
    for gap in searched.gaps:
        typer.echo(f"not searched: {gap}")
    if searched.sources:
        typer.echo(f"not searched: {counted(searched.sources, 'file')} of the sources themselves")
    if searched.own:
        typer.echo(f"not searched: {counted(searched.own, 'file')} of remodal's own code")
    if searched.histories:
        typer.echo(f"not searched: {counted(searched.histories, 'folder')} `.git`")
    if searched.too_short:
        counts = ", ".join(f"{keyword} ({n})" for keyword, n in searched.too_short.items())
        typer.echo(f"too short to be searched for: {counts}")
    if unread := searched.unread_sources:
        several = counted(len(unread), "source file")
        some = ", ".join(unread[:_SHOWN]) + (" ..." if len(unread) > _SHOWN else "")
        typer.echo(f"tags of {several} could not be read: {some}")
    if searched.missing_sources:
        typer.echo(f"not there: {counted(searched.missing_sources, 'source')}")
    said = f"{counted(searched.files, 'file')}, {counted(searched.values, 'value')}"
    if searched.findings:
        raise UserError(
            f"identifying values in {counted(len(searched.findings), 'place')} ({said})",
            remedy="share none of these files before you know why",
        )
    if not searched.is_whole:
        raise BadCase(
            f"none found, but not everything could be searched or searched for ({said})",
            remedy="look yourself at what is named above, or do not share it",
        )
    typer.echo(f"{said}: none found")
