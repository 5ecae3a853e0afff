import errno
import json
from pathlib import Path

import pytest
import torch

from remodal.errors import EnvironmentProblem, UserError
from remodal.training.checkpoints import (
    Progress,
    identity,
    read_checkpoint,
    write_checkpoint,
    write_progress,
)

CPU = torch.device("cpu")


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    progress = Progress(
        epoch=3,
        iteration=7,
        sums={"loss": 0.1 + 0.2},
        counts={"loss": 7},
        curves=[{"epoch": 1, "loss": None}],
        seconds=12.5,
        resumed=2,
    )
    weights = {"w": torch.randn(3, 4)}
    write_checkpoint(tmp_path, progress, {"weights": weights})
    found, states = read_checkpoint(tmp_path, CPU)
    assert found == progress
    assert torch.equal(states["weights"]["w"], weights["w"])


def test_no_checkpoint_is_none(tmp_path):
    assert read_checkpoint(tmp_path / "nowhere", CPU) is None


def test_a_damaged_checkpoint_is_named(tmp_path):
    write_checkpoint(tmp_path, Progress(), {"weights": {"w": torch.randn(100)}})
    path = tmp_path / "last.ckpt"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"last\.ckpt: is damaged.*delete the file"):
        read_checkpoint(tmp_path, CPU)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"progress": {}, "weights": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="is damaged"):
        read_checkpoint(tmp_path, CPU)


def test_a_training_is_named_by_its_settings_and_its_files(tmp_path):
    file = tmp_path / "case.json"
    file.write_text("a")
    first = identity({"seed": 0}, [file])
    assert first == identity({"seed": 0}, [file])
    assert first != identity({"seed": 1}, [file])
    file.write_text("b")
    assert first != identity({"seed": 0}, [file])


def test_progress_says_how_far_it_is(tmp_path):
    progress = Progress(epoch=4, seconds=10, curves=[{"loss": 0.5, "validation_dice": None}])
    write_progress(tmp_path, progress, epochs=8)
    assert json.loads((tmp_path / "progress.json").read_text()) == {
        "epoch": 4,
        "epochs": 8,
        "loss": 0.5,
        "validation_dice": None,
        "seconds": 10,
        "seconds_per_epoch": 2.5,
    }


def test_a_full_disk_is_said_so_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, Progress(epoch=1), {})

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EnvironmentProblem, match=r"last\.ckpt: the disk is full"):
        write_checkpoint(tmp_path, Progress(epoch=2), {})
    assert read_checkpoint(tmp_path, CPU)[0].epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
