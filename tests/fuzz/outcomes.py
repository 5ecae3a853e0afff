"""What becomes of a mutant: converted as other readers read it, or refused with one line."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_volume
from remodal.results.records import Record
from tests.fuzz import readers
from tests.fuzz.mutants import Mutant
from tests.fuzz.originals import Original

LONGEST = 20  # seconds of one mutant, which takes some hundredths
MOST_MEMORY = 400_000  # kB by which one mutant may enlarge the process
_SECRETS = ("Doe^Jane", "HOSPITAL-4711", "Dr Who")
#: Words of a note that says why voxels are not those that other readers find.
_CHANGED = ("resampled", "padding", "left out", "no value", "Modality LUT", "image 1 of")
_NIFTI_PLACE = {*range(40, 58), *range(76, 108), 123, *range(252, 328), *range(344, 348)}


class WrongOutcomeError(AssertionError):
    """A mutant ended in neither of the two ways."""


@dataclass(frozen=True)
class Whole:
    """An original, converted: what its mutants are compared with."""

    original: Original
    volume: Volume


def converted(original: Original, folder: Path, reference: Path | None) -> tuple[Volume, Record]:
    """Write the files of an original or a mutant, and convert them.

    Raises:
        BadCase: it is refused.
    """
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    for old in source.iterdir():
        old.unlink()
    for name, content in original.files.items():
        (source / name).write_bytes(content)
    path, output, record = source / original.source, folder / "made.nii", folder / "made.json"
    output.unlink(missing_ok=True)
    if original.label:
        made = convert_label(
            LabelSource((path,)),
            reference.with_suffix(".json"),
            reference,
            output,
            record,
            case="c1",
            drawn_on="ct",
        )
    else:
        made = convert_image(path, output, record, case="c1", modality="ct")
    return read_volume(output), made


def judge(mutant: Mutant, whole: Whole, folder: Path, reference: Path) -> str:
    """Convert a mutant.

    Returns:
        "converted", "noted" or "refused".

    Raises:
        WrongOutcomeError: a traceback, too much time or memory, several lines, a name, or another
            volume than other readers find without a note.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _limited():
            volume, record = converted(mutant.original, folder, reference)
    except BadCase as error:
        _check_line(str(error), mutant)
        return "refused"
    except Exception as error:
        raise WrongOutcomeError(f"{type(error).__name__}: {error}") from error
    finally:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if grown > MOST_MEMORY:
            raise WrongOutcomeError(f"{grown} kB of memory")
    if any(secret in record.model_dump_json() for secret in _SECRETS):
        raise WrongOutcomeError("the record names the patient")
    _compare(mutant, volume, record.warnings, whole, folder)
    return "noted" if record.warnings else "converted"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeoutError(f"more than {LONGEST} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _check_line(line: str, mutant: Mutant) -> None:
    if len(line.splitlines()) != 1 or len(line) > 2000:
        raise WrongOutcomeError(f"no single line: {line[:200]!r}")
    if not mutant.original.label and any(secret in line for secret in _SECRETS):
        raise WrongOutcomeError("the reason names the patient")


def _compare(mutant: Mutant, volume: Volume, notes: list[str], whole: Whole, folder: Path) -> None:
    same = volume.geometry.agrees_with(whole.volume.geometry, 1e-3)
    if same and np.array_equal(volume.array, whole.volume.array):
        return
    if any(word in note for note in notes for word in _CHANGED):
        return
    if whole.original.name.startswith("series"):
        _compare_planes(volume, folder / "source")
    elif whole.original.name.startswith(("SEG", "RTSTRUCT")):
        _compare_drawing(mutant, volume, whole, folder)
    else:
        _compare_file(mutant, volume, notes, whole, folder)


def _compare_planes(volume: Volume, folder: Path) -> None:
    planes = readers.planes_of_series(folder)
    if planes is None:
        return
    grid = volume.geometry
    step = grid.affine[:3, 2]
    for index, values in enumerate(volume.array):
        place = np.array(grid.origin) + index * step
        near = [
            one for at, one in planes if np.abs(at - place).max() <= 0.11 * np.linalg.norm(step)
        ]
        if not any(one.shape == values.shape and np.allclose(one, values) for one in near):
            raise WrongOutcomeError(f"plane {index} is not what pydicom reads there")


def _compare_drawing(mutant: Mutant, volume: Volume, whole: Whole, folder: Path) -> None:
    (name,) = mutant.original.files
    first, second = whole.original.files[name], mutant.original.files[name]
    same = readers.same_drawing(first, second, folder)
    if same and not np.array_equal(volume.array, whole.volume.array):
        raise WrongOutcomeError("other voxels, though pydicom reads the same drawing")


def _compare_file(
    mutant: Mutant, volume: Volume, notes: list[str], whole: Whole, folder: Path
) -> None:
    file = folder / "source" / mutant.original.source
    peer = readers.voxels_of_file(file)
    if not mutant.original.label and peer is not None and np.isfinite(peer).all():
        if peer.shape != volume.array.shape:
            raise WrongOutcomeError(f"{volume.array.shape}, and SimpleITK reads {peer.shape}")
        if not np.allclose(volume.array, peer, rtol=1e-5, atol=1e-3):
            raise WrongOutcomeError("other voxels than SimpleITK reads")
    name = mutant.original.source
    if name not in ("v.nii", "v.hdr") or notes:
        return
    first, second = whole.original.files[name], mutant.original.files[name]
    changed = {at for at, (one, other) in enumerate(zip(first, second)) if one != other}
    same_place = len(first) == len(second) and not changed & _NIFTI_PLACE
    if same_place and not volume.geometry.agrees_with(whole.volume.geometry, 1e-3):
        raise WrongOutcomeError("another place, though the header says the same")
