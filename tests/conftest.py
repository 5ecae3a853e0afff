"""What all tests share: one thread each, Ctrl-C, and a finished smoke study."""

import os
import signal

import pytest

from tests.workspace import Workspace

# Before a test imports numpy or torch.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell makes background processes ignore Ctrl-C, which some tests send.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def smoke_study(tmp_path_factory):
    """The liver study with preset `smoke`, run once from DICOM to report."""
    finished = Workspace(tmp_path_factory.mktemp("smoke"))
    finished.snakemake("--config", "preset=smoke")
    return finished
