"""The stages from training to the report, one command each, in order; rules call them."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import (
    DataResults,
    Fold,
    Output,
    Preprocessed,
    Quarantine,
    Registered,
    SettingsFile,
    Splits,
    StudyResults,
    Threads,
    named_values,
)
from remodal.cli.interruption import goes_on

commands = typer.Typer()


@commands.command()
@goes_on("what was saved")
def train(
    settings: SettingsFile,
    method: Annotated[str, typer.Option(help="Key of the study's `methods`.")],
    fold: Fold,
    seed: Annotated[int, typer.Option(help="Seed of weights, patches and augmentation.")],
    preprocessed: Preprocessed,
    splits: Splits,
    fingerprint: Annotated[Path, typer.Option(help="Fingerprint of the fold.")],
    output: Output,
    checkpoints: Annotated[Path, typer.Option(help="Folder for the state of an unfinished run.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="A trained model to start from, as `role=folder`; repeatable."
        ),
    ] = None,
    threads: Threads = 8,
) -> None:
    """Train one model, or continue one that was stopped."""
    import torch

    from remodal.settings.composition import read_planned
    from remodal.training.loop import train as train_model

    configured = read_planned(settings)
    # The job's threads are shared by its processes, one per device.
    torch.set_num_threads(max(1, threads // configured.compute.devices))

    models = {role: Path(folder) for role, folder in named_values(inputs or [], "--input").items()}
    train_model(
        configured,
        method,
        fold,
        seed,
        preprocessed,
        splits,
        fingerprint,
        models,
        output,
        checkpoints,
    )


@commands.command()
def infer(
    settings: SettingsFile,
    model: Annotated[Path, typer.Option(help="Folder of the trained model.")],
    scenario: Annotated[str, typer.Option(help="Key of the study's `scenarios`.")],
    preprocessed: Preprocessed,
    splits: Splits,
    fold: Fold,
    output: Output,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data set's results; for a scenario in native space or with "
            "foreign images that are registered."
        ),
    ] = None,
    threads: Threads = 8,
    quarantine: Quarantine = False,
) -> None:
    """Segment a fold's test cases with the modalities of one scenario."""
    import torch

    from remodal.inference.fold import infer_fold
    from remodal.settings.composition import read_settings

    torch.set_num_threads(threads)

    infer_fold(
        read_settings(settings),
        model,
        scenario,
        preprocessed,
        splits,
        fold,
        output,
        data,
        quarantine=quarantine,
    )


@commands.command()
def evaluate(
    settings: SettingsFile,
    predictions: Annotated[Path, typer.Option(help="Folder of one model's predictions.")],
    registered: Registered,
    splits: Splits,
    output: Output,
    lesions: Annotated[Path, typer.Option(help="Table of the true lesions.")],
    quarantine: Quarantine = False,
) -> None:
    """Measure one model's predictions, case by case and lesion by lesion."""
    from remodal.metrics.evaluate import evaluate_predictions
    from remodal.settings.composition import read_settings

    evaluate_predictions(
        read_settings(settings),
        predictions,
        registered,
        splits,
        output,
        lesions,
        quarantine=quarantine,
    )


@commands.command()
def tabulate(
    settings: SettingsFile,
    study: StudyResults,
    output: Output,
) -> None:
    """Make the paper's tables from the per-case metrics and the models' records."""
    from remodal.report.tables import tabulate as make_tables
    from remodal.settings.composition import read_settings

    make_tables(read_settings(settings), study, output)


@commands.command()
def report(
    settings: SettingsFile,
    study: StudyResults,
    data: DataResults,
    output: Output,
) -> None:
    """Write the report: one HTML file that opens offline."""
    from remodal.report.page import write_report
    from remodal.settings.composition import read_settings

    write_report(read_settings(settings), study, data, output)


@commands.command()
def faults(
    settings: SettingsFile,
    study: StudyResults,
    data: DataResults,
    output: Output,
) -> None:
    """Say which cases are missing by a fault of ours; fail if there is one, so that it is seen."""
    from remodal.report.faults import require_no_faults
    from remodal.settings.composition import read_settings

    require_no_faults(read_settings(settings), study, data, output)


@commands.command()
def track(
    settings: SettingsFile,
    study: StudyResults,
    output: Output,
) -> None:
    """Merge a study's models and metrics into MLflow; safe to run twice."""
    from remodal.settings.composition import read_settings
    from remodal.tracking.merge import track as merge_into_mlflow

    merge_into_mlflow(read_settings(settings), study, output)
