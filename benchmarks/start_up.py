"""Start-up of the command.

Bar: `remodal --help` in under 0.5 s. A per-case job pays its imports each time, so convert,
register, preprocess and evaluate import no torch (pinned by tests/test_cli.py).
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = Path(sys.executable).parent / "remodal"
STAGES = {
    "convert": "remodal.intake.convert",
    "register": "remodal.registration",
    "preprocess": "remodal.preprocessing",
    "evaluate": "remodal.metrics.evaluate",
    "train": "remodal.training.loop",
}


def seconds(*command: str | Path, runs: int = 7) -> float:
    """Median wall time of a whole process."""
    measured = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured)


def main() -> None:
    """Print the table."""
    print("| process | s |\n| --- | ---: |")
    print(f"| `python -c pass` | {seconds(sys.executable, '-c', 'pass'):.2f} |")
    print(f"| `remodal --help` | {seconds(COMMAND, '--help'):.2f} |")
    for stage, module in STAGES.items():
        print(f"| imports of `{stage}` | {seconds(sys.executable, '-c', f'import {module}'):.2f} |")


if __name__ == "__main__":
    main()
