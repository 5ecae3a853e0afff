"""What a user types about a study: which there are, whether it is right, its cost, its progress."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import Output, SettingsFile

commands = typer.Typer()


@commands.command()
def studies(
    results: Annotated[Path, typer.Argument(help="Folder of results.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the studies: what each is about, the data it needs, and how far it was run here."""
    import json
    from dataclasses import asdict

    from remodal.status.studies import known_studies, study_lines

    known = known_studies(results)
    lines = (
        [json.dumps([asdict(one) for one in known], indent=2)] if as_json else study_lines(known)
    )
    for line in lines:
        typer.echo(line)


@commands.command()
def methods(
    names: Annotated[
        list[str] | None, typer.Argument(help="Methods whose options are shown too.")
    ] = None,
) -> None:
    """List the methods and the packages that they come from; of those named the options too."""
    from remodal.methods import method_options, method_origins, method_summary

    headings = {name: f"{name} ({origin})" for name, origin in method_origins().items()}
    width = max(map(len, headings.values()))
    for name in names or headings:
        summary = method_summary(name)
        typer.echo(f"{headings[name]:{width}}  {summary}")
        for option in method_options(name) if names else ():
            typer.echo(f"  {option.name} = {option.default}: {option.description}")


@commands.command()
def settings(
    output: Output,
    config: Annotated[
        str, typer.Option(help="Content of a config.yaml, as YAML or JSON.")
    ] = "{study: liver, preset: demo}",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as `recipe.epochs=5`; repeatable."),
    ] = None,
) -> None:
    """Write the effective settings of a study: study, preset, then your own changes."""
    from remodal.settings.composition import assignments, compose, parse_yaml, write_settings

    content = parse_yaml(config, where="--config")
    write_settings(output, compose(content, overrides=assignments(change or [])))


@commands.command()
def check(
    settings: SettingsFile,
    files: Annotated[bool, typer.Option(help="Open every image and label, headers only.")] = True,
) -> None:
    """Check a study before anything runs: settings, methods, sample sheet, and all files it names.

    Exit code 3: some files cannot be used; the study would go on without their cases.
    """
    from remodal.run.check import check_study
    from remodal.settings.composition import read_settings
    from remodal.settings.places import hidden

    study = read_settings(settings)
    typer.echo(hidden(study.study, study.preset), nl=False)
    typer.echo(check_study(study))
    if files:
        from remodal.intake.inspection import check_sources

        for line in check_sources(study):
            typer.echo(line)


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def plan(context: typer.Context) -> None:
    """Say what a run would cost: give Snakemake's options, as `--profile slurm`."""
    from remodal.cluster.plan import plan as cost

    for line in cost(context.args):
        typer.echo(line)


@commands.command()
def status(
    folder: Annotated[Path, typer.Argument(help="Folder of results, or of one study.")] = Path(
        "results"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds after which it is shown again, until all is done."),
    ] = None,
) -> None:
    """Show how far each stage and each model is: epoch, Dice, time left; from files only."""
    from remodal.status.display import show

    show(folder, as_json, watch)


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def resume(context: typer.Context) -> None:
    """Go on after Snakemake was killed: give the options it had, as `--profile slurm`."""
    from remodal.run.resume import resume as go_on

    go_on(Path(), context.args)


@commands.command()
def compare(
    study: Annotated[Path, typer.Argument(help="Folder of a finished study.")],
    kept: Annotated[Path, typer.Argument(help="Folder of tables that `remodal keep` wrote.")],
) -> None:
    """Say in one line whether a study's tables equal the kept ones, or what differs by how much."""
    from remodal.report.kept import compared

    typer.echo(compared(study, kept))


@commands.command()
def keep(
    study: Annotated[Path, typer.Argument(help="Folder of a finished study.")],
    output: Output,
) -> None:
    """Copy a study's tables, and what made them, to a folder that git keeps (docs/results)."""
    from remodal.report.kept import keep_tables

    keep_tables(study, output)


@commands.command("describe-settings")
def describe_settings(output: Output) -> None:
    """Write the reference of all settings (config/README.md)."""
    from remodal.intake.simulation import simulations
    from remodal.intake.source_options import options_of_sources
    from remodal.registration.ways import way_options
    from remodal.results.files import write_text
    from remodal.settings.reference import reference

    write_text(output, reference(options_of_sources() | simulations() | way_options()))


@commands.command("describe-reproduction")
def describe_reproduction(
    output: Output,
    paper: Annotated[str, typer.Option(help="Name of the paper's files in config/published.")],
) -> None:
    """Write a paper's page: its rows, what it leaves open, what was measured here."""
    from remodal.report.reproduction import reproduction
    from remodal.results.files import write_text

    write_text(output, reproduction(paper))


@commands.command()
def first(
    config: Annotated[str, typer.Option(help="Content of a config.yaml, as YAML or JSON.")],
) -> None:
    """Print Snakemake's option for the trainings that begin first (setting `compute.first`)."""
    from remodal.results.paths import model_folder, study_folder
    from remodal.settings.composition import compose, parse_yaml

    study = compose(parse_yaml(config, where="--config"))
    folders = [
        model_folder(study_folder(study.study_id), training)
        for method in study.compute.first
        for training in study.trainings(method)
    ]
    if folders:
        typer.echo(
            " ".join(["--prioritize", *(f"{folder}/model.safetensors" for folder in folders)])
        )
