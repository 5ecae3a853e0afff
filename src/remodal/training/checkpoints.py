"""State of an unfinished training: enough to go on as if nothing had happened.

No random generator is saved: everything random is drawn anew from (seed, epoch, iteration). A
checkpoint is written to a temporary file and renamed, so a killed writer leaves the previous one
intact, and a second writer of the same training (an orphan of a lost node) writes the same content.
"""

import hashlib
import io
import json
import pickle
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from remodal.errors import UserError
from remodal.results.curves import Row
from remodal.results.files import atomic_path, sha256, write_json

CHECKPOINT = "last.ckpt"
PROGRESS = "progress.json"


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: finished epochs.
        iteration: finished iterations of the epoch in progress.
        sums: sum over those iterations of each loss of the objective.
        counts: in how many of those iterations each loss occurred.
        kept_epoch: number, from 1, of the epoch whose weights are the model so far.
        best: mean validation Dice of that epoch; None: there was none yet.
        curves: a row for each finished epoch.
        seconds: time spent so far, not counting interruptions.
        resumed: how often it was continued from a checkpoint.
    """

    epoch: int = 0
    iteration: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    kept_epoch: int = 0
    best: float | None = None
    curves: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0


def identity(parts: dict[str, Any], files: Iterable[Path]) -> str:
    """Name of a training: a digest of its configuration and of the files that it starts from.

    A checkpoint is only ever found again by the training that wrote it.
    """
    content = parts | {"files": [sha256(file) for file in files]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def write_checkpoint(folder: Path, progress: Progress, states: dict[str, Any]) -> None:
    """Write the state of a training.

    Args:
        folder: the training's own folder.
        progress: how far it has come.
        states: state dictionaries by name: `weights` and, for an unfinished training, all others.

    Raises:
        EnvironmentProblem: full disk, or no permission to write.
    """
    content = io.BytesIO()
    torch.save({"progress": asdict(progress), **states}, content)
    with atomic_path(Path(folder) / CHECKPOINT) as temporary:
        # Written by Python, whose errors say what is wrong (torch's own would hide a full disk).
        temporary.write_bytes(content.getbuffer())


def read_checkpoint(folder: Path, device: torch.device) -> tuple[Progress, dict[str, Any]] | None:
    """Read the state of a training; None if there is none yet.

    Raises:
        UserError: the file is damaged.
    """
    path = Path(folder) / CHECKPOINT
    if not path.is_file():
        return None
    try:
        states = torch.load(path, map_location=device, weights_only=True)
        return Progress(**states.pop("progress")), states
    except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"is damaged ({reason})",
            where=str(path),
            expected="a checkpoint of `remodal train`",
            remedy="delete the file to begin this training again",
        ) from error


def write_progress(folder: Path, progress: Progress, epochs: int) -> None:
    """Write `progress.json`, for anyone who wants to know how far a training has come."""
    last = progress.curves[-1] if progress.curves else {}
    write_json(
        Path(folder) / PROGRESS,
        {
            "epoch": progress.epoch,
            "epochs": epochs,
            "loss": last.get("loss"),
            "validation_dice": last.get("validation_dice"),
            "seconds": round(progress.seconds, 1),
            "seconds_per_epoch": round(progress.seconds / max(1, progress.epoch), 2),
        },
    )
