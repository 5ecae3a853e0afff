"""One process that writes a made-up record of a training when it is told to start."""

import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from remodal.results.curves import curve_row, write_curves
from remodal.results.files import atomic_path, write_json


def curve(number: int, epochs: int) -> list[dict]:
    """Rows whose values identify the training and the epoch."""
    return [
        curve_row(
            epoch,
            0.01,
            {"loss": number + epoch / 1024},
            number + epoch / 2048,
            {"tumour": epoch / 4096 if epoch % 2 == 0 else None},
        )
        for epoch in range(1, epochs + 1)
    ]


def write_training(folder: Path, number: int, epochs: int) -> None:
    """The files of a trained model, weights first and description last."""
    with atomic_path(folder / "model.safetensors") as temporary:
        temporary.write_bytes(save({"weight": np.full(8, number, np.float32)}))
    write_curves(folder / "curves.csv", curve(number, epochs))
    parameters = {"recipe": {"epochs": epochs, "patch": [8, 8, 8]}}
    write_json(folder / "training.json", {"parameters": parameters, "seconds": 1.0 + number})
    write_json(folder / "model.json", {"weights_sha256": f"weights {number}"})


if __name__ == "__main__":
    target, begin, name, length = sys.argv[1:]
    while not Path(begin).exists():
        time.sleep(0.01)
    write_training(Path(target), int(name), int(length))
