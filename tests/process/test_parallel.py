"""Work in processes of its own."""

import os
import signal
import subprocess
import sys
import time

from remodal.process.parallel import in_parallel

SCRIPT = """
import time
from remodal.process.parallel import in_parallel
for made in in_parallel(time.sleep, [0.01, 60, 60, 60], 2, "sleeping"):
    print("one is done", flush=True)
"""


def test_results_come_in_the_order_of_the_items():
    assert list(in_parallel(abs, [-3, 2, -1], 2, "numbers")) == [3, 2, 1]
    assert list(in_parallel(abs, [-3, 2, -1], 1, "numbers")) == [3, 2, 1]


def test_a_terminal_s_interruption_prints_no_traceback_of_workers():
    done = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert done.stdout.readline() == "one is done\n"
        time.sleep(0.2)
    finally:
        os.killpg(done.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(done.pid, signal.SIGTERM)
    assert "Traceback" not in done.communicate(timeout=30)[1]
