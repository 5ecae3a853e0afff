"""A peer in an environment of its own, beside the packages here, which pip leaves alone."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """The folder of its programs, with just these packages and what is installed here.

    What a package depends on is not fetched, since that may be a CUDA torch. Without a network the
    test is skipped.
    """
    venv.create(folder, with_pip=True)
    installed = next(folder.glob("lib/python*/site-packages"))
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (installed / "ours.pth").write_text(here)
    command = [folder / "bin/python", "-m", "pip", "install", "-q", "--no-deps", *packages]
    if subprocess.run(command).returncode:
        pytest.skip(f"{packages[0]} cannot be fetched: no network")
    return folder / "bin"
