"""Start-up of the command.

Bar: `remodal --help` in under 0.5 s. A per-case job pays its imports each time, so convert,
register, preprocess and evaluate import no torch (pinned by tests/test_cli.py).
Measured from compiled bytecode, as installed programs run.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

COMMAND = Path(sys.executable).parent / "remodal"
STAGES = {
    "convert": "remodal.intake.convert",
    "register": "remodal.registration.case",
    "preprocess": "remodal.preprocessing",
    "evaluate": "remodal.metrics.evaluate",
    "train": "remodal.training.loop",
}


def seconds(bytecode: str, *command: str | Path, runs: int = 7) -> float:
    """Median wall time of a whole process; Python's bytecode is kept in a folder."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    measured = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured[1:])  # the first compiles


def main() -> None:
    """Print the table."""
    python = sys.executable
    with TemporaryDirectory() as bytecode:
        print("| process | s |\n| --- | ---: |")
        print(f"| `python -c pass` | {seconds(bytecode, python, '-c', 'pass'):.2f} |")
        print(f"| `remodal --help` | {seconds(bytecode, COMMAND, '--help'):.2f} |")
        for stage, module in STAGES.items():
            imports = seconds(bytecode, python, "-c", f"import {module}")
            print(f"| imports of `{stage}` | {imports:.2f} |")


if __name__ == "__main__":
    main()
