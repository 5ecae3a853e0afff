"""A GPU at the paper's size: step time, data, precision, memory, inference, exact resume, hours.

nnUNet and MAML on two modalities, 128^3 patches, batch 2, trained by the pipeline's own loop. The
step is timed with one fixed batch that already lies on the device, in 32 bits, TF32 and bf16,
compiled or not, and then with real patches from the device's memory, the host's and the disk. Bars:
data cost at most 3 % of the step, a prediction at most 3 % more than its bare network passes, and
600 epochs of MAML at most 7.5 hours on one H200 (the paper: 150 hours on a V100).

It needs Python with PyTorch, numpy, pydantic, safetensors, rich and lightning-fabric, and this
repository: PYTHONPATH=src python benchmarks/gpu.py. MONAI is compared with where it is installed.
`--tiny` tries it on any machine, a CPU too; such figures mean nothing.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_page import page
from steps import FixedBatch, step_taken, synchronise
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from remodal.inference.sliding_window import mirrorings, sliding_window, spread_starts
from remodal.methods import build_method
from remodal.methods.base import Method
from remodal.objectives.batch import Batch, Step
from remodal.results.curves import Row
from remodal.settings import ComputeSettings, NetworkSettings, RecipeSettings
from remodal.training.cases import Stored, WantedLabels, load_cases
from remodal.training.devices import make_fabric, repeatable
from remodal.training.fitting import Fitting
from remodal.training.patches import TRAINING, PatchSampler, Pool

MODALITIES, TRUTH = ["first", "second"], "second"
METHODS = ("nnunet", "maml")
#: Dense bf16 operations per second, by a word in the card's name (NVIDIA's data sheets).
BF16_PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
PAPER_STEPS = 600 * 250
EPOCH_OF_CURVES = 10

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Size:
    """How large the networks, patches and volumes are, and how many steps are timed."""

    network: NetworkSettings
    patch: tuple[int, int, int]
    volume: tuple[int, int, int]
    cases: int
    warm_up: int
    steps: int
    curve: int
    precisions: tuple[str, ...]


PAPER = Size(
    NetworkSettings(),
    (128, 128, 128),
    (160, 256, 320),
    8,
    6,
    20,
    100,
    ("32-true", "TF32", "bf16-mixed", "bf16-mixed compiled"),
)
TINY = Size(
    NetworkSettings(base_width=4, max_width=8, strides=[(2, 2, 2)]),
    (8, 16, 16),
    (16, 24, 32),
    2,
    1,
    2,
    4,
    ("32-true", "bf16-mixed"),
)


class Benchmark:
    """One run: its device, its sizes, its cases on disk, and when it must end."""

    def __init__(self, size: Size, device: str, folder: Path, minutes: float) -> None:
        self.size, self.folder = size, folder
        self.compute = ComputeSettings(device=device)
        self.device = make_fabric(self.recipe("32-true"), self.compute).device
        self.until = time.monotonic() + 60 * minutes
        self.usable = {f"case{n}": write_case(folder, n, size.volume) for n in range(size.cases)}

    def recipe(self, precision: str, **changes: Any) -> RecipeSettings:
        """The paper's recipe in a number format."""
        content = {"patch": list(self.size.patch), "precision": precision, "validate_every": 10**6}
        return RecipeSettings.model_validate(content | changes)

    def method(self, name: str) -> Method:
        """A method on the device, with the same initial weights each time."""
        torch.manual_seed(0)
        method = build_method(name, MODALITIES, 1, self.size.network)
        method.network.to(self.device)
        return method

    def sampler(self, place: str) -> PatchSampler:
        """Real patches of cases held at a place."""
        recipe = self.recipe("32-true")
        cases = load_cases(
            self.folder, self.usable, MODALITIES, WantedLabels([TRUTH]), place, self.device
        )
        return PatchSampler(
            [Pool(cases, recipe.batch)],
            MODALITIES,
            [TRUTH],
            patch=recipe.patch,
            foreground=recipe.foreground,
            device=self.device,
            purpose=TRAINING,
            seed=0,
            augmentation=recipe.augmentation,
        )

    def fitting(
        self,
        method: Method,
        precision: str,
        feed: Any,
        runs: Path,
        *,
        watch: Callable[[Sequence[Row]], None] = lambda rows: None,
        checkpoint_every: int = 10**6,
        **changes: Any,
    ) -> Fitting:
        """A training by the pipeline's own loop; `changes` are those of the recipe."""
        recipe = self.recipe(
            precision.removesuffix(" compiled").replace("TF32", "32-true"), **changes
        )
        compute = ComputeSettings(
            device=self.compute.device,
            compile=precision.endswith("compiled"),
            checkpoint_every=checkpoint_every,
        )
        return Fitting(
            method, make_fabric(recipe, compute), recipe, compute, feed, None, seed=0,
            classes=["lesion"], folder=runs, report=runs, watch=watch,
        )  # fmt: skip

    def late(self) -> bool:
        """Whether there is no time for more."""
        return time.monotonic() > self.until


def write_case(folder: Path, number: int, shape: tuple[int, int, int]) -> Stored:
    """Write a smooth random case with a ball as foreground, as preprocessing stores it."""
    generator = torch.Generator().manual_seed(number)
    coarse = torch.randn((1, 2, 12, 12, 12), generator=generator)
    image = torch.nn.functional.interpolate(coarse, shape, mode="trilinear")[0]
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    away = sum((grid - n / 2) ** 2 for grid, n in zip(grids, shape))
    ball = away < (min(shape) / 4) ** 2
    np.save(folder / f"case{number}.npy", (image.numpy() + 2 * ball).astype(np.float16))
    np.save(folder / f"case{number}.label-{TRUTH}.npy", ball.astype(np.uint8))
    voxels = np.argwhere(ball)[:: max(1, int(ball.sum()) // 10_000)]
    return Stored(MODALITIES, [TRUTH], {(TRUTH, 1): voxels})


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Round 32-bit products to TF32 on a GPU, or do not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def step_seconds(bench: Benchmark, name: str, precision: str, feed: Any) -> dict[str, float]:
    """Seconds per step of the training loop after a warm-up run, and the peak memory."""
    on_gpu = bench.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    method, size = bench.method(name), bench.size
    with tempfile.TemporaryDirectory() as runs, tf32(precision == "TF32"):

        def training(run: str, iterations: int) -> Fitting:
            folder = Path(runs, run)
            return bench.fitting(method, precision, feed, folder, epochs=1, iterations=iterations)

        taken = step_taken(training, bench.device, size.warm_up, size.steps)
    peak = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0
    return {"seconds": taken.wall, "peak_gib": peak}


def operations(bench: Benchmark, name: str, batch: Batch) -> float:
    """Floating-point operations of one step, forward and backward, as PyTorch counts them."""
    method = bench.method(name)
    with FlopCounterMode(display=False) as counter:
        method.objective(batch, Step(0, 0, 1, 1))["loss"].backward()
    return float(counter.get_total_flops())


def steps_of(bench: Benchmark, name: str) -> dict[str, Any]:
    """Step times of one method: by number format, then by where the data come from."""
    fixed = FixedBatch(bench.sampler("device").batch(0, 0))
    found: dict[str, Any] = {"synthetic": {}, "real": {}}
    for precision in bench.size.precisions:
        if not bench.late():
            found["synthetic"][precision] = step_seconds(bench, name, precision, fixed)
    usual = "bf16-mixed"
    for place in ("device", "host", "disk"):
        if not bench.late():
            found["real"][place] = step_seconds(bench, name, usual, bench.sampler(place))
    count = operations(bench, name, fixed.batch(0, 0))
    found["operations"] = count
    card = torch.cuda.get_device_name() if bench.device.type == "cuda" else ""
    peak = next((value for word, value in BF16_PEAK.items() if word in card), None)
    if peak and usual in found["synthetic"]:
        found["share_of_peak"] = count / found["synthetic"][usual]["seconds"] / peak
    if found["real"]:
        best = min(part["seconds"] for part in found["real"].values())
        found["hours"] = best * PAPER_STEPS / 3600
    return found


def curves(bench: Benchmark, name: str = "nnunet") -> dict[str, list[float]]:
    """Training losses over the same batches in 32 bits and in bf16, one value per few steps."""
    sampler, found = bench.sampler("device"), {}
    for precision in ("32-true", "bf16-mixed"):
        with tempfile.TemporaryDirectory() as runs, redirect_stdout(StringIO()):
            each = min(EPOCH_OF_CURVES, bench.size.curve)
            fitting = bench.fitting(
                bench.method(name), precision, sampler, Path(runs),
                epochs=bench.size.curve // each, iterations=each,
            )  # fmt: skip
            found[precision] = [row["loss"] for row in fitting.run().curves]
    return found


def resumes_exactly(bench: Benchmark, name: str = "maml") -> bool:
    """Whether a training that was left after an epoch and gone on with ends with the same weights.

    What goes on is a new method, as in a new process: only the checkpoint knows the first epoch.
    Deterministic algorithms are requested, since a GPU's fastest ones differ from run to run.
    """
    sampler = bench.sampler("device")

    def trained(runs: str, watch: Callable[[Sequence[Row]], None] = lambda rows: None) -> Weights:
        method = bench.method(name)
        bench.fitting(
            method, "bf16-mixed", sampler, Path(runs), watch=watch, checkpoint_every=1,
            epochs=2, iterations=2,
        ).run()  # fmt: skip
        return {key: value.cpu() for key, value in method.network.state_dict().items()}

    with (
        tempfile.TemporaryDirectory() as whole,
        tempfile.TemporaryDirectory() as left,
        redirect_stdout(StringIO()),
    ):
        uninterrupted = trained(whole)
        with suppress(_LeftHere):
            trained(left, watch=_leave)
        resumed = trained(left)
    return all(torch.equal(uninterrupted[key], resumed[key]) for key in uninterrupted)


class _LeftHere(Exception):
    """The training was stopped, as if killed."""


def _leave(rows: Sequence[Row]) -> None:
    """Leave a training after its first epoch, whose checkpoint is written by then."""
    raise _LeftHere


@torch.inference_mode()
def inference(bench: Benchmark) -> dict[str, float]:
    """Seconds of a prediction with mirroring, of its bare network passes, and of MONAI's."""
    method, size, batch = bench.method("nnunet"), bench.size, 4
    method.network.eval()
    image = torch.randn((2, *size.volume), device=bench.device)

    def predictor(patches: Tensor) -> Tensor:
        with torch.autocast(bench.device.type, torch.bfloat16):
            return method.probabilities(dict(zip(MODALITIES, patches.split(1, dim=1)))).float()

    patches = torch.randn((batch, 2, *size.patch), device=bench.device)
    windows = list(product(*(spread_starts(n, p, 0.5) for n, p in zip(size.volume, size.patch))))

    def bare() -> None:
        for _ in range(len(windows) * 8 // batch):
            predictor(patches)

    def ours() -> None:
        sliding_window(predictor, image, size.patch, step=0.5, mirror=True, batch=batch)

    systems: dict[str, Callable[[], None]] = {"bare": bare, "ours": ours}
    if monai := _monai(size.patch, batch, predictor, image):
        systems["monai"] = monai
    found = {}
    with torch.backends.cudnn.flags(benchmark=True):
        predictor(patches)
        for name, system in systems.items():
            found[name] = min(_seconds(system, bench.device) for _ in range(2))
    return found


def _seconds(function: Callable[[], None], device: torch.device) -> float:
    synchronise(device)
    start = time.perf_counter()
    function()
    synchronise(device)
    return time.perf_counter() - start


def _monai(
    patch: tuple[int, int, int], batch: int, predictor: Callable[[Tensor], Tensor], image: Tensor
) -> Callable[[], None] | None:
    """MONAI's sliding windows with the same mirrorings; None where it is not installed."""
    try:
        from monai.inferers import SlidingWindowInferer
    except ImportError:
        return None
    inferer = SlidingWindowInferer(patch, batch, overlap=0.5, mode="gaussian")

    def mirrored(patches: Tensor) -> Tensor:
        axes = [[axis + 1 for axis in flip] for flip in mirrorings(True)]
        return sum(predictor(patches.flip(flip)).flip(flip) for flip in axes) / 8

    return lambda: inferer(image[None], mirrored)


def machine(device: torch.device) -> dict[str, str]:
    """What the figures were measured on."""
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, on any machine")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--minutes", type=float, default=7, help="after which nothing is begun")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder for the figures")
    arguments = parser.parse_args()
    if not arguments.tiny and not torch.cuda.is_available():
        raise SystemExit("no GPU here; `--tiny` tries the program on a CPU")
    with tempfile.TemporaryDirectory() as name:
        size = TINY if arguments.tiny else PAPER
        bench = Benchmark(size, arguments.device, Path(name), arguments.minutes)
        found: dict[str, Any] = {"machine": machine(bench.device), "tiny": arguments.tiny}
        with repeatable(bench.device):
            found["steps"] = {method: steps_of(bench, method) for method in METHODS}
        for key, part in (("inference", inference), ("curves", curves)):
            if not bench.late():
                found[key] = part(bench)
        if not bench.late():
            torch.use_deterministic_algorithms(True, warn_only=True)
            found["resumes"] = resumes_exactly(bench)
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = page(found)
    (arguments.output / "benchmarks-gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    (arguments.output / "benchmarks-gpu.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
