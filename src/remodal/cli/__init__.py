"""The `remodal` command; the code of a sub-command is imported only when it runs."""

import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from remodal.cli import (
    data_stages,
    exchange,
    identity,
    model_stages,
    own_data,
    prediction,
    sharing,
    study,
    viewing,
)
from remodal.cli.interruption import starts_anew
from remodal.errors import ExitCode, RemodalError, ran_out_of_memory
from remodal.process import memory
from remodal.process.stage_log import peak_megabytes, stage_log

app = typer.Typer(
    name="remodal",
    help="Reproducible multi-modal segmentation: from hospital scans to a paper's tables.",
    epilog="Exit codes: 0 done; 1 a fault of ours; 2 a mistake in command, settings or sheet; 3 a "
    "bad case; 4 the machine refuses (disk, permission, memory); 75 preempted after saving; 130 "
    "Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, part in (
    ("Your own data", own_data),
    ("Studies", study),
    ("Patients", prediction),
    ("Patients", viewing),
    ("Stages, as the workflow calls them", data_stages),
    ("Stages, as the workflow calls them", model_stages),
    ("Sharing", sharing),
    ("Sharing", identity),
    ("Exchange with other programs", exchange),
):
    for command in [*part.commands.registered_commands, *part.commands.registered_groups]:
        command.rich_help_panel = panel
    app.add_typer(part.commands)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Show the version, if that is asked for."""
    if show:
        from remodal import __version__

        typer.echo(__version__)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command; a user's mistake ends in one line and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    with stage_log(sys.argv[1:]) as codes:
        codes.append(_exit_code())
    sys.exit(codes[0])


def _exit_code() -> int:
    """Run the command and say what went wrong; return its exit code."""
    try:
        memory.require_room_to_start()
        app()
    except SystemExit as end:  # typer ends every command with a SystemExit
        if end.code == ExitCode.INTERRUPTED:
            return _told(starts_anew())
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except RemodalError as error:
        return _told(error)
    except KeyboardInterrupt:
        return _told(starts_anew())
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
    """The line to print if the machine refused something; None for a fault of ours."""
    if ran_out_of_memory(error):
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return memory.shortage(sys.argv[1], said, peak_megabytes())
    if isinstance(error, OSError):
        from remodal.results.files import explain

        explained = explain(error, Path(error.filename or "."))
        return explained if isinstance(explained, RemodalError) else None
    return None
