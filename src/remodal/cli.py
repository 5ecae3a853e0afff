"""The `remodal` command: one sub-command a stage; a stage's code is imported only when it runs."""

import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from remodal import memory
from remodal.errors import ExitCode, RemodalError, UserError, ran_out_of_memory
from remodal.stage_log import peak_megabytes, stage_log

app = typer.Typer(
    name="remodal",
    help="Reproducible multi-modal segmentation: from hospital scans to a paper's tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SettingsFile = Annotated[
    Path, typer.Option("--settings", help="Effective settings of the study (settings.yaml).")
]
Case = Annotated[str, typer.Option(help="Name of the case.")]
Fold = Annotated[int, typer.Option(min=0, help="Fold, from 0.")]
Folder = typer.Option(help="Folder to read from.")
Splits = Annotated[Path, typer.Option(help="splits.json of the study.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")]
RecordFile = Annotated[Path, typer.Option(help="Record (JSON) to write beside the output.")]
Quarantine = Annotated[
    bool,
    typer.Option("--quarantine", help="Go on with a bad case: note the reason, write empty files."),
]
Indexed = Annotated[str, typer.Option(help="The source's digest in the index of its sheet.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Preprocessed = Annotated[Path, typer.Option(help="Folder of the fold's preprocessed cases.")]
Registered = Annotated[Path, typer.Option(help="Folder of the data set's registered cases.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Reproducible multi-modal segmentation: from hospital scans to a paper's tables.

    Exit codes: 0 done, 1 a fault of ours, 2 a mistake in command, settings or sheet, 3 a bad case
    (see --quarantine), 4 the machine refuses (disk, permission, memory), 75 preempted after saving,
    130 Ctrl-C.
    """
    if show:
        from remodal import __version__

        typer.echo(__version__)


@app.command()
def settings(
    output: Output,
    config: Annotated[
        str, typer.Option(help="Content of a config.yaml, as YAML or JSON.")
    ] = "{study: liver, preset: demo}",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as `training.epochs=5`; may be repeated."),
    ] = None,
) -> None:
    """Write the effective settings of a study: study, preset, then your own changes."""
    from remodal.config import assignments, compose, parse_yaml, write_settings

    content = parse_yaml(config, where="--config")
    write_settings(output, compose(content, overrides=assignments(change or [])))


@app.command("describe-settings")
def describe_settings(output: Output) -> None:
    """Write the reference of all settings (config/README.md)."""
    from remodal.config_reference import reference
    from remodal.files import write_text

    write_text(output, reference())


@app.command()
def check(
    settings: SettingsFile,
    files: Annotated[bool, typer.Option(help="Open every image and label, headers only.")] = True,
) -> None:
    """Check a study before anything runs: settings, methods, sample sheet, and all files it names.

    Exit code 3: some files cannot be used; the study would go on without their cases.
    """
    from remodal.check import check_study
    from remodal.config import read_settings

    study = read_settings(settings)
    typer.echo(check_study(study))
    if files:
        from remodal.intake.inspection import check_sources

        for line in check_sources(study):
            typer.echo(line)


@app.command()
def simulate(
    settings: SettingsFile,
    case: Case,
    output: Output,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the real CT that lesions are simulated in.")
    ] = None,
    quarantine: Quarantine = False,
) -> None:
    """Simulate one patient: DICOM or image files with a label, as a hospital would send them."""
    from remodal.config import read_settings
    from remodal.phantom.simulate import simulate

    simulate(read_settings(settings), case, source, output, quarantine=quarantine)


@app.command("fetch-real-ct")
def fetch_real_ct(output: Output) -> None:
    """Fetch a real abdominal CT and its liver mask from a published package, for `demo-real`."""
    from remodal.phantom.real_ct import fetch_real_ct as fetch

    fetch(output)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="DICOM folder, or NIfTI/NRRD/MHA file.")],
    case: Case,
    modality: Annotated[str, typer.Option(help="Name of the modality.")],
    output: Output,
    record: RecordFile,
    quarantine: Quarantine = False,
    indexed: Indexed = "",
) -> None:
    """Convert one image to NIfTI: sorted by geometry, checked, without identity."""
    from remodal.intake.convert import convert_image

    convert_image(
        source,
        output,
        record,
        case=case,
        modality=modality,
        quarantine=quarantine,
        indexed=indexed,
    )


@app.command("convert-label")
def convert_label(
    files: Annotated[list[Path], typer.Argument(help="DICOM SEG or RTSTRUCT, NIfTI, NRRD or MHA.")],
    case: Case,
    drawn_on: Annotated[str, typer.Option(help="Modality the label was drawn on.")],
    reference: Annotated[Path, typer.Option(help="That modality's converted image.")],
    reference_record: Annotated[Path, typer.Option(help="That modality's record.")],
    output: Output,
    record: RecordFile,
    value: Annotated[
        list[int] | None,
        typer.Option(help="What every voxel but 0 of a file becomes; once a file, in order."),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(help="A structure to take and its value, as `2=GTV`; repeatable."),
    ] = None,
    quarantine: Quarantine = False,
    indexed: Indexed = "",
) -> None:
    """Convert one label to the grid of the image it was drawn on."""
    from remodal.intake.convert import convert_label as convert
    from remodal.intake.label_source import label_of_options

    convert(
        label_of_options(files, value or [], structure or []),
        reference_record,
        reference,
        output,
        record,
        case=case,
        drawn_on=drawn_on,
        quarantine=quarantine,
        indexed=indexed,
    )


@app.command()
def register(
    settings: SettingsFile,
    case: Case,
    converted: Annotated[Path, typer.Option(help="Folder of the converted case.")],
    output: Output,
    quarantine: Quarantine = False,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="A modality that the case has; repeatable. None: all of the study's."),
    ] = None,
) -> None:
    """Bring a case's modalities onto one grid, with a quality record and picture."""
    from remodal.config import read_settings
    from remodal.registration import register_case

    register_case(
        read_settings(settings), case, converted, output, modality or [], quarantine=quarantine
    )


@app.command()
def split(settings: SettingsFile, registered: Registered, output: Output) -> None:
    """Split the usable cases into folds, by patient."""
    from remodal.config import read_settings
    from remodal.splits import split_study

    split_study(read_settings(settings), registered, output)


@app.command()
def fingerprint(
    settings: SettingsFile, splits: Splits, fold: Fold, registered: Registered, output: Output
) -> None:
    """Measure spacing and intensities on the training cases of a fold."""
    from remodal.config import read_settings
    from remodal.preprocessing import fingerprint_fold

    fingerprint_fold(read_settings(settings), splits, fold, registered, output)


@app.command()
def preprocess(
    settings: SettingsFile,
    case: Case,
    registered: Annotated[Path, typer.Option(help="Folder of the registered case.")],
    fingerprint: Annotated[
        list[Path],
        typer.Option(help="Fingerprint of a fold, beside which its arrays go; repeatable."),
    ],
    quarantine: Quarantine = False,
) -> None:
    """Clip, normalise, resample and crop one case for each fold, for fast random patches."""
    from remodal.config import read_settings
    from remodal.preprocessing import preprocess_case

    study = read_settings(settings)
    for of_fold in fingerprint:
        preprocess_case(study, case, registered, of_fold, of_fold.parent, quarantine=quarantine)


@app.command()
def inventory(
    splits: Splits,
    fold: Fold,
    preprocessed: Preprocessed,
    training: Annotated[Path, typer.Option(help="File to write: cases that training reads.")],
    test: Annotated[Path, typer.Option(help="File to write: cases that inference reads.")],
) -> None:
    """List a fold's preprocessed cases with digests: what training and inference depend on."""
    from remodal.preprocessing import write_inventory

    write_inventory(splits, fold, preprocessed, training, test)


@app.command()
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
    start: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="A trained model to start from, as `role=folder`; repeatable."
        ),
    ] = None,
    threads: Threads = 8,
) -> None:
    """Train one model, or continue one that was stopped."""
    import torch

    from remodal.config import read_settings
    from remodal.training.loop import train as train_model

    configured = read_settings(settings)
    # The job's threads are shared by its processes, one a device.
    torch.set_num_threads(max(1, threads // configured.training.devices))

    inputs = {
        role: Path(folder) for role, _, folder in (pair.partition("=") for pair in start or [])
    }
    train_model(
        configured,
        method,
        fold,
        seed,
        preprocessed,
        splits,
        fingerprint,
        inputs,
        output,
        checkpoints,
    )


@app.command()
def infer(
    settings: SettingsFile,
    model: Annotated[Path, typer.Option(help="Folder of the trained model.")],
    scenario: Annotated[str, typer.Option(help="Key of the study's `scenarios`.")],
    preprocessed: Preprocessed,
    splits: Splits,
    fold: Fold,
    output: Output,
    threads: Threads = 8,
    quarantine: Quarantine = False,
) -> None:
    """Segment a fold's test cases with the modalities of one scenario."""
    import torch

    from remodal.config import read_settings
    from remodal.inference import infer_fold

    torch.set_num_threads(threads)

    infer_fold(
        read_settings(settings),
        model,
        scenario,
        preprocessed,
        splits,
        fold,
        output,
        quarantine=quarantine,
    )


@app.command()
def evaluate(
    settings: SettingsFile,
    predictions: Annotated[Path, typer.Option(help="Folder of one model's predictions.")],
    registered: Registered,
    splits: Splits,
    output: Output,
    quarantine: Quarantine = False,
) -> None:
    """Measure one model's predictions, case by case."""
    from remodal.config import read_settings
    from remodal.metrics.evaluate import evaluate_predictions

    evaluate_predictions(
        read_settings(settings), predictions, registered, splits, output, quarantine=quarantine
    )


@app.command()
def tabulate(
    settings: SettingsFile,
    metrics: Annotated[Path, typer.Option(help="Folder of the per-case metrics.")],
    splits: Splits,
    output: Output,
) -> None:
    """Make the paper's tables from the per-case metrics."""
    from remodal.config import read_settings
    from remodal.report.tables import tabulate as make_tables

    make_tables(read_settings(settings), metrics, splits, output)


@app.command()
def report(
    settings: SettingsFile,
    study: Annotated[Path, typer.Option(help="Folder of the study's results.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set's results.")],
    output: Output,
) -> None:
    """Write the report: one HTML file that opens offline."""
    from remodal.config import read_settings
    from remodal.report.page import write_report

    write_report(read_settings(settings), study, data, output)


@app.command()
def faults(
    settings: SettingsFile,
    study: Annotated[Path, typer.Option(help="Folder of the study's results.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set's results.")],
    output: Output,
) -> None:
    """Say which cases are missing by a fault of ours; fail if there is one, so that it is seen."""
    from remodal.config import read_settings
    from remodal.faults import require_no_faults

    require_no_faults(read_settings(settings), study, data, output)


@app.command()
def track(
    settings: SettingsFile,
    study: Annotated[Path, typer.Option(help="Folder of the study's results.")],
    output: Output,
) -> None:
    """Merge a study's models and metrics into MLflow; safe to run twice."""
    from remodal.config import read_settings
    from remodal.tracking.merge import track as merge_into_mlflow

    merge_into_mlflow(read_settings(settings), study, output)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def predict(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Folder of a trained model.")],
    output: Output,
) -> None:
    """Segment a new patient: `--arterial DIR --venous DIR`, one option a modality, any may miss."""
    from remodal.inference import predict_patient

    predict_patient(model, _modality_options(context.args), output)


def _modality_options(arguments: list[str]) -> dict[str, Path]:
    """Parse `--<modality> PATH` pairs.

    Raises:
        UserError: anything else.
    """
    images: dict[str, Path] = {}
    rest = list(arguments)
    while rest:
        option, _, value = rest.pop(0).partition("=")
        if not option.startswith("--") or len(option) < 3:
            raise UserError(f"unexpected `{option}`", expected="`--<modality> PATH` options")
        if not value:
            if not rest:
                raise UserError(f"`{option}` has no path", expected="a DICOM folder or image file")
            value = rest.pop(0)
        images[option.removeprefix("--")] = Path(value)
    return images


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def plan(context: typer.Context) -> None:
    """Say what a run would cost: give Snakemake's options, as `--profile slurm`."""
    from remodal.cluster.plan import plan as cost

    for line in cost(context.args):
        typer.echo(line)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def resume(context: typer.Context) -> None:
    """Go on after Snakemake was killed: give the options it had, as `--profile slurm`."""
    from remodal.resume import resume as go_on

    go_on(Path(), context.args)


@app.command()
def index(
    settings: SettingsFile,
    again: Annotated[
        bool, typer.Option("--again", help="Digest those too that are in the index already.")
    ] = False,
) -> None:
    """Write the index of a sheet's files beside it: a change is known by the content then."""
    from remodal.config import read_settings
    from remodal.intake.datasets import cases_of
    from remodal.sharing.sources import index_sources

    study = read_settings(settings)
    for line in index_sources(study, cases_of(study), again=again):
        typer.echo(line)


@app.command()
def record(stage: Annotated[str, typer.Argument(help="Stage of dvc.yaml.")]) -> None:
    """Write down what a finished stage consists of; the last step of its command in dvc.yaml."""
    from remodal.sharing.share import record_stage

    record_stage(stage)


@app.command()
def share(
    push: Annotated[bool, typer.Option(help="Also push to DVC's remote.")] = True,
) -> None:
    """Share the study of config/config.yaml: record, commit to DVC, push, check the remote."""
    from remodal.sharing.share import share as share_study

    for line in share_study(push=push):
        typer.echo(line)


@app.command()
def pull(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages of dvc.yaml; all.")] = None,
) -> None:
    """Pull what was shared, check every file, and let Snakemake know it as made."""
    from remodal.sharing.pull import pull as pull_stages

    for line in pull_stages(stages or []):
        typer.echo(line)


@app.command()
def verify() -> None:
    """Check the results here against what was shared, and find what was changed by hand."""
    from remodal.sharing.verify import verify as verify_results

    for line in verify_results():
        typer.echo(line)


@app.command()
def methods() -> None:
    """List the registered methods and their options."""
    from remodal.methods import method_names, method_options

    for name in method_names():
        typer.echo(name)
        for option in method_options(name):
            typer.echo(f"  {option.name} = {option.default}: {option.description}")


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="Folder of results, or of one study.")] = Path(
        "results"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(min=1, help="Show it anew every so many seconds, until all is done."),
    ] = None,
) -> None:
    """Show how far each stage and each model is: epoch, Dice, time left; from files only."""
    from remodal.status.display import show

    show(folder, as_json, watch)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command; a user's mistake ends in one line and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    with stage_log(sys.argv[1:]) as codes:
        codes.append(_exit_code())
    sys.exit(codes[0])


def _exit_code() -> int:
    """Run the command and say what went wrong; its exit code."""
    try:
        memory.require_room_to_start()
        app()
    except SystemExit as end:  # typer ends every command with one
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except RemodalError as error:
        return _told(error)
    except KeyboardInterrupt:
        print("remodal: interrupted; the same command continues", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            traceback.print_exc()
            return ExitCode.INTERNAL
        return _told(explained)
    return ExitCode.OK


def _told(error: RemodalError) -> int:
    print(f"remodal: {error}", file=sys.stderr)
    return error.exit_code


def _explained(error: Exception) -> RemodalError | None:
    """The line for what the machine refused; None for a fault of ours."""
    if ran_out_of_memory(error):
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return memory.shortage(sys.argv[1], said, peak_megabytes())
    if isinstance(error, OSError):
        from remodal.files import explain

        explained = explain(error, Path(error.filename or "."))
        return explained if isinstance(explained, RemodalError) else None
    return None
