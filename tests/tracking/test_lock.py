import os
import signal
import subprocess
import sys

import pytest

from remodal.errors import EnvironmentProblem
from remodal.tracking.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from remodal.tracking.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_refused_while_it_is_held_and_free_when_its_holder_is_killed(tmp_path):
    path = tmp_path / "store/mlflow.db.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(EnvironmentProblem, match=r"mlflow.db.lock: another merge holds"),
            locked(path, patience=0),
        ):
            pytest.fail("two at once")
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with locked(path, patience=0):
        assert path.exists()
