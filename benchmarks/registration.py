"""Registration of a pair, one thread: `remodal register` beside Debian's elastix, whole processes.

Bar: at least twice as fast as elastix 5.0.1, alignment no worse. The pair is a simulated patient
(about 48 slices of 128 x 128) whose true motion is known. There are two peers. `default` has the
maps that `ParameterObject.GetDefaultParameterMap` gives for `rigid` and `bspline`, as they stand
(256 iterations at each of 4 levels, control points 10 mm apart): a weak peer for a liver. `tuned`
is what a user who knows elastix would make of them: a mask of the body, and control points 40 mm
apart. Ours are the default settings of `registration`. All write the moved image; ours also a
record and a picture. Errors are measured alike: `transformix` turns every program's transform files
into a displacement field, which is compared with the truth inside the liver.

Where the time goes: the peer's B-spline spends most of it on the step size of the optimiser, which
`DisplacementDistribution` estimates in a moment, and on a penalty that we compute from 200 points.
Importing elastix through `import itk` would cost 17 s in every job; the modules that are needed
take less than one. What else differs: the peer samples the air around the patient too, interpolates
linearly and weighs the penalty less. On coarser pairs (the demo's) it ends further off than before.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import SimpleITK as sitk

from remodal.geometry.volume import Volume, to_sitk
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_volume, write_volume
from remodal.intake.simulation import simulation_options
from remodal.phantom.dual_phase import simulate_patient
from remodal.registration.elastix import default_parameter_map
from remodal.registration.quality import body_mask
from remodal.registration.transforms import parameter_text
from remodal.settings.composition import compose, write_settings

COMMAND = Path(sys.executable).parent / "remodal"
CONFIG = Path(__file__).parents[1] / "config"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CASE = "pair"
#: The tuned peer: coarser control points, and a mask whose border is not eroded at coarse levels.
TUNED = {
    "rigid": {"ErodeMask": ("false",)},
    "bspline": {"ErodeMask": ("false",), "FinalGridSpacingInPhysicalUnits": ("40.0",)},
}
BODY_HU = -300.0
OURS, DEFAULT, PEER = "remodal register", "elastix, default", "elastix, tuned"
SIZE = {"matrix": 128, "slices": (46, 50), "slice_spacing": 4.5}


def make_pair(folder: Path, phantom: PhantomOptions) -> None:
    """Simulate a patient into `folder` and convert both phases and the label."""
    simulate_patient(phantom, 1, folder)
    for modality in ("arterial", "venous"):
        image, record = folder / f"{modality}.nii.gz", folder / f"{modality}.json"
        convert_image(folder / modality, image, record, case=CASE, modality=modality)
        write_volume(folder / f"{modality}.nii", read_volume(image))
    convert_label(
        LabelSource((folder / "label.dcm",)),
        folder / "venous.json",
        folder / "venous.nii.gz",
        folder / "label-venous.nii.gz",
        folder / "label-venous.json",
        case=CASE,
        drawn_on="venous",
    )


def timed(command: Sequence[str | Path]) -> dict[str, float]:
    """Wall and processor seconds of one whole process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter() - start
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "processor": processor}


def run_ours(pair: Path, output: Path) -> dict[str, float]:
    """`remodal register` with its defaults; transforms in `output`."""
    settings = compose({"study": "liver", "preset": "paper"}, CONFIG)
    write_settings(pair / "settings.yaml", settings)
    command = [COMMAND, "register", "--settings", pair / "settings.yaml", "--case", CASE]
    command += ["--label", "venous"]
    return timed([*command, "--converted", pair, "--output", output])


def run_peer(pair: Path, output: Path, *, tuned: bool = False) -> dict[str, float]:
    """Debian's elastix with its default maps, or better ones; transforms in `output`."""
    output.mkdir()
    command = ["elastix", "-f", pair / "venous.nii", "-m", pair / "arterial.nii", "-out", output]
    for name in ("rigid", "bspline"):
        path = output / f"{name}.txt"
        content = default_parameter_map(name)
        if tuned:
            content |= TUNED[name]
        path.write_text(parameter_text(content))
        command += ["-p", path]
    if tuned:
        command += ["-fMask", write_body(pair)]
    return timed([*command, "-threads", "1"])


def write_body(pair: Path) -> Path:
    """Write a mask of the body in the fixed image; return its path."""
    fixed = read_volume(pair / "venous.nii")
    path = pair / "body.nii"
    write_volume(path, Volume(body_mask(fixed, BODY_HU).astype(np.uint8), fixed.geometry))
    return path


def error(pair: Path, folder: Path, last: str) -> float:
    """Mean distance in mm between a chain's displacement and the truth, inside the liver."""
    field = folder / "field"
    field.mkdir()
    command = ["transformix", "-def", "all", "-tp", last, "-out", "field", "-threads", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    vectors = sitk.GetArrayFromImage(sitk.ReadImage(str(field / "deformationField.nii")))
    return float(np.linalg.norm(vectors - truth(pair), axis=-1)[liver(pair)].mean())


def truth(pair: Path) -> np.ndarray:
    """True displacement on the venous grid, (z, y, x, 3) in mm."""
    field = sitk.ReadImage(str(pair / "truth" / "displacement.mha"))
    return sitk.GetArrayFromImage(sitk.Resample(field, to_sitk(read_volume(pair / "venous.nii"))))


def liver(pair: Path) -> np.ndarray:
    return read_volume(pair / "truth" / "liver.nii.gz").array > 0


def report(shape: Sequence[int], results: Mapping[str, Mapping[str, float]], before: float) -> None:
    """Print the table and the ratio."""
    print("| program | wall s | processor s | error in the liver, mm |")
    print("| --- | ---: | ---: | ---: |")
    for program, found in results.items():
        times = f"{found['wall']:.1f} | {found['processor']:.1f}"
        print(f"| `{program}` | {times} | {found['error']:.2f} |")
    default, tuned = (
        results[name]["processor"] / results[OURS]["processor"] for name in (DEFAULT, PEER)
    )
    size = " x ".join(map(str, shape[::-1]))
    print(f"\nA pair of {size} voxels; the liver moved by {before:.2f} mm. ", end="")
    print(f"Ratio of the processor times: **{default:.1f}** to the default peer, ", end="")
    print(f"**{tuned:.1f}** to the tuned one (bar: 2).")


def main() -> None:
    """Measure at full size, or for a try at that of the smoke preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="the smoke preset's size, for a try")
    small = parser.parse_args().small
    if shutil.which("elastix") is None:
        raise SystemExit("elastix is not installed: `apt-get install elastix`, then run again")
    preset = "smoke" if small else "demo"
    phantom = simulation_options(compose({"study": "liver", "preset": preset}, CONFIG))
    phantom = phantom.model_copy(update={"layouts": ["axial"]})
    if not small:
        phantom = phantom.model_copy(update=SIZE)
    with TemporaryDirectory() as name:
        pair, ours, default, tuned = (
            Path(name) / part for part in ("pair", "ours", "default", "tuned")
        )
        make_pair(pair, phantom)
        results = {
            OURS: run_ours(pair, ours),
            DEFAULT: run_peer(pair, default),
            PEER: run_peer(pair, tuned, tuned=True),
        }
        results[OURS]["error"] = error(pair, ours, "transform-arterial-1.txt")
        for program, folder in ((DEFAULT, default), (PEER, tuned)):
            results[program]["error"] = error(pair, folder, "TransformParameters.1.txt")
        before = float(np.linalg.norm(truth(pair), axis=-1)[liver(pair)].mean())
        report(read_volume(pair / "venous.nii").geometry.shape, results, before)


if __name__ == "__main__":
    main()
