"""Memory that each stage needs for a case of full size.

Two phases of 512 x 512 x 200 voxels in 16 bits, with the published settings, every stage as a
process of its own. `peak` is the most that the stage and the processes that it started held
together; pages that they share count once. `asked` is what slurm/profile.yaml asks for the first
attempt: half as much again as the peak, at the least. `fingerprint` reads two cases here; each
further one adds less than 1 MB.

`train` and `infer` have a network of 4 channels on the CPU here, for a lower bound: on a GPU the
network's memory is the device's, and the cases may be cached in the job's.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import yaml

from remodal.results.files import write_json
from remodal.settings import Settings
from remodal.settings.composition import compose, write_settings

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "remodal"]
LAYOUT = {"cases": 3, "layouts": ["axial"]}  # each a DICOM folder
SIZE = LAYOUT | {"matrix": 512, "slices": [200, 200], "slice_spacing": 1.5}
SMALL = LAYOUT | {"matrix": 64, "slices": [24, 24], "slice_spacing": 8.0}
NETWORK = {"base_width": 4, "max_width": 4}
CASES = ["patient001", "patient002", "patient003"]
POLL = 0.1


def study(small: bool) -> Settings:
    """The liver study with its published settings, for three patients of one size."""
    chosen = {
        "study": "liver",
        "preset": "paper",
        "simulation": {"phantom": SMALL if small else SIZE},
        "network": NETWORK,
        # One short training: what counts is a model of the published patch to predict with.
        "recipe": {"epochs": 1, "iterations": 1, "precision": "32-true"},
        "inference": {"mirror": False, "step": 1.0},
        "compute": {"device": "cpu"},
    }
    return compose(chosen, folder=ROOT / "config")


def one_fold() -> dict[str, object]:
    """Two patients to train with, one to segment."""
    return {
        "folds": [{"train": CASES[:2], "validation": [], "test": CASES[2:]}],
        "patients": {case: case for case in CASES},
        "modalities": {case: ["arterial", "venous"] for case in CASES},
        "labels": {case: ["venous"] for case in CASES},
    }


def peak_megabytes(command: list[str], log: Path) -> float:
    """Most memory that a command and the processes it starts hold at once, in MB.

    Raises:
        SystemExit: it failed.
    """
    with open(log, "w", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(_held(psutil.Process(process.pid))))
            time.sleep(POLL)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text(encoding='utf-8')[-2000:]}")
    return peak / 1e6


def _held(process: psutil.Process) -> Iterator[int]:
    """Bytes of a process and of its descendants; shared pages are divided among them."""
    try:
        for one in (process, *process.children(recursive=True)):
            yield one.memory_full_info().pss
    except psutil.Error:
        return


def commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each stage with its command, in the order in which they depend on each other."""
    settings = ["--settings", f"{folder}/settings.yaml"]
    splits = ["--splits", f"{folder}/splits.json", "--fold", "0"]
    for case in CASES:
        dicom, converted = f"{folder}/dicom/{case}", f"{folder}/converted/{case}"
        yield "simulate", ["simulate", *settings, "--case", case, "--output", dicom]
        for modality in ("arterial", "venous"):
            what = [f"{dicom}/{modality}", "--case", case, "--modality", modality]
            output = f"{converted}/{modality}"
            yield (
                "convert",
                ["convert", *what, "--output", f"{output}.nii.gz", "--record", f"{output}.json"],
            )
        venous = ["--reference", f"{converted}/venous.nii.gz"]
        venous += ["--reference-record", f"{converted}/venous.json", "--drawn-on", "venous"]
        output = f"{converted}/label-venous"
        label = ["--output", f"{output}.nii.gz", "--record", f"{output}.json"]
        yield (
            "convert-label",
            ["convert-label", f"{dicom}/label.dcm", "--case", case, *venous, *label],
        )
        output = f"{folder}/registered/{case}"
        yield (
            "register",
            [
                *("register", *settings, "--case", case, "--label", "venous"),
                *("--converted", converted, "-o", output),
            ],
        )
    registered = ["--registered", f"{folder}/registered"]
    fingerprint, prepared = f"{folder}/fold0.fingerprint.json", f"{folder}/fold0"
    yield "fingerprint", ["fingerprint", *settings, *splits, *registered, "-o", fingerprint]
    for case in CASES:
        of_case = ["--case", case, "--registered", f"{folder}/registered/{case}"]
        measured = ["--fingerprint", fingerprint, "--output", str(folder)]
        yield "preprocess", ["preprocess", *settings, *of_case, *measured]
    model = f"{folder}/models/maml/fold0-seed0"
    fold = [*splits, "--preprocessed", prepared]
    learnt = ["--method", "maml", "--seed", "0", "--fingerprint", fingerprint]
    yield (
        "train",
        ["train", *settings, *fold, *learnt, "-o", model, "--checkpoints", f"{folder}/checkpoints"],
    )
    output = f"{folder}/predictions/maml/fold0-seed0/both"
    yield "infer", ["infer", *settings, *fold, "--model", model, "--scenario", "both", "-o", output]
    measured = f"{folder}/metrics/both.csv"
    yield (
        "evaluate",
        [
            *("evaluate", *settings, *registered, "--splits", f"{folder}/splits.json"),
            *("--predictions", output, "-o", measured, "--lesions", f"{folder}/lesions/both.csv"),
        ],
    )


def asked(stage: str) -> str:
    """Memory in MB that the profile asks for a stage's first attempt."""
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text(encoding="utf-8"))
    wanted = profile["set-resources"].get(stage.replace("-", "_"), {})
    formula = wanted.get("mem_mb", profile["default-resources"]["mem_mb"])
    return f"{eval(str(formula), {'attempt': 1, 'min': min}):,}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small patients, for a try")
    parser.add_argument("--folder", type=Path, help="keep the files there, and go on from them")
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_settings(folder / "settings.yaml", study(arguments.small))
        write_json(folder / "splits.json", one_fold())
        found = folder / "peaks.json"
        peaks: dict[str, float] = json.loads(found.read_text()) if found.is_file() else {}
        for number, (stage, command) in enumerate(commands(folder)):
            if f"{number} {stage}" not in peaks:
                log = folder / f"{number}-{stage}.log"
                start = time.perf_counter()
                peaks[f"{number} {stage}"] = peak_megabytes([*COMMAND, *command], log)
                spent = time.perf_counter() - start
                print(
                    f"{stage}: {peaks[f'{number} {stage}']:.0f} MB, {spent:.0f} s", file=sys.stderr
                )
                write_json(found, peaks)
    print("| stage | peak, MB | asked, MB |\n| --- | ---: | ---: |")
    stages = dict.fromkeys(name.split()[1] for name in peaks)
    for stage in stages:
        peak = max(value for name, value in peaks.items() if name.split()[1] == stage)
        print(f"| `{stage}` | {peak:,.0f} | {asked(stage)} |")


if __name__ == "__main__":
    main()
