"""Data and results in other hands: the index of a sheet, and DVC."""

from contextlib import nullcontext
from typing import Annotated

import typer

from remodal.cli.arguments import SettingsFile
from remodal.cli.interruption import goes_on

commands = typer.Typer()


@commands.command()
def index(
    settings: SettingsFile,
    again: Annotated[
        bool, typer.Option("--again", help="Digest those again that are in the index already.")
    ] = False,
) -> None:
    """Write the index of a sheet's files beside it, so that a change is known by the content."""
    from remodal.intake.datasets import cases_of
    from remodal.settings.composition import read_settings
    from remodal.sharing.sources import index_sources

    study = read_settings(settings)
    with nullcontext() if again else goes_on("what is in the index by now"):
        for line in index_sources(study, cases_of(study), again=again):
            typer.echo(line)


@commands.command()
def record(stage: Annotated[str, typer.Argument(help="Stage of dvc.yaml.")]) -> None:
    """Write down what a finished stage consists of; the last step of its command in dvc.yaml."""
    from remodal.sharing.share import record_stage

    record_stage(stage)


@commands.command()
@goes_on("what was transferred")
def share(
    push: Annotated[bool, typer.Option(help="Also push to DVC's remote.")] = True,
) -> None:
    """Share the study of config/config.yaml: record, commit to DVC, push, check the remote."""
    from remodal.sharing.share import share as share_study

    for line in share_study(push=push):
        typer.echo(line)


@commands.command()
@goes_on("what was transferred")
def pull(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages of dvc.yaml; by default all.")
    ] = None,
) -> None:
    """Pull what was shared, check every file, and tell Snakemake that it is made."""
    from remodal.sharing.pull import pull as pull_stages

    for line in pull_stages(stages or []):
        typer.echo(line)


@commands.command()
def verify() -> None:
    """Check the results here against what was shared, and find what was changed by hand."""
    from remodal.sharing.verify import verify as verify_results

    for line in verify_results():
        typer.echo(line)
