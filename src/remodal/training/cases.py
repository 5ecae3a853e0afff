"""The preprocessed cases that patches are cut from, and where they are held during training."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from remodal.errors import UserError
from remodal.results.records import Record, read_record
from remodal.settings.names import label_name

Place = Literal["device", "host", "disk"]
#: (n, 3) voxel coordinates (z, y, x), by (the image whose label they come from, class).
Foreground = dict[tuple[str, int], np.ndarray]

#: Share of the free memory that the cases may take; the rest is for the training itself.
_SHARE = 0.5


class Stored(NamedTuple):
    """What a record says about a case's arrays.

    Its modalities in order, the images for which it has labels, and their foreground.
    """

    modalities: list[str]
    labels: list[str]
    foreground: Foreground

    def without_labels(self) -> "Stored":
        """The same images without their labels and without anything derived from them."""
        return self._replace(labels=[], foreground={})


class WantedLabels(NamedTuple):
    """The labels that a method is trained with.

    Attributes:
        images: those whose labels are wanted.
        one_will_do: whether a case that has only some of these labels is of use; if not, it counts
            as unlabelled.
    """

    images: list[str]
    one_will_do: bool = False

    def of(self, stored: Stored) -> list[str]:
        """The labels of a case that are read; none if it counts as unlabelled."""
        found = [name for name in self.images if name in stored.labels]
        return found if self.one_will_do or found == self.images else []


@dataclass(frozen=True)
class TrainingCase:
    """One preprocessed case.

    Attributes:
        name: the case.
        image: (M, Z, Y, X) float16 or float32, the method's modalities in their order.
        labels: (Z, Y, X) uint8 class indices for each image whose label is wanted; empty if the
            case is unlabelled.
        foreground: voxels drawn from each class that occurs in these labels.
    """

    name: str
    image: Tensor
    labels: dict[str, Tensor]
    foreground: Foreground

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels (z, y, x)."""
        z, y, x = self.image.shape[1:]
        return z, y, x


def usable_cases(folder: Path, names: Sequence[str]) -> dict[str, Stored]:
    """The cases that preprocessing did not quarantine, and what is stored for each.

    Raises:
        UserError: a case was not preprocessed.
    """
    usable = {}
    for name in names:
        path = Path(folder) / f"{name}.json"
        if not path.is_file():
            raise UserError(
                "is missing",
                where=str(path),
                expected="a record of every case of the fold",
                remedy="run `remodal preprocess` for it",
            )
        record = read_record(path)
        if record.ok:
            usable[name] = _stored(record)
    return usable


def require_foreground(
    cases: Sequence[TrainingCase], modalities: Sequence[str], folder: Path
) -> None:
    """Check that a method with these modalities has something to learn from.

    Raises:
        UserError: there is no case, or no foreground voxel in any of them.
    """
    if not cases:
        raise UserError(
            "no usable training case",
            where=str(folder),
            expected=f"at least one that has {' and '.join(modalities)} and is not quarantined",
            remedy="read the reasons in the cases' records",
        )
    if not any(case.foreground for case in cases):
        raise UserError(
            f"no foreground in any of the {len(cases)} training cases",
            where=str(folder),
            expected="voxels of the classes to segment",
            remedy="check `data.classes` against the labels' values",
        )


def load_cases(
    folder: Path,
    usable: Mapping[str, Stored],
    modalities: Sequence[str],
    labels: WantedLabels,
    place: Place,
    device: torch.device,
) -> list[TrainingCase]:
    """Open cases: in the device's memory, in the host's, or mapped from their files.

    Args:
        folder: holds `<case>.npy` and, for each label of the case, `<case>.label-<image>.npy`.
        usable: the cases, as `usable_cases` returns them; each has all wanted modalities.
        modalities: the wanted ones, in the order of the method.
        labels: those that are wanted.
        place: where the arrays are held.
        device: the training device.

    Raises:
        UserError: an array is damaged or does not fit its image.
    """
    cases = []
    for name, stored in usable.items():
        wanted = labels.of(stored)
        channels = [stored.modalities.index(modality) for modality in modalities]
        image = _mapped(folder / f"{name}.npy")
        masks = {label: _mapped(label_file(folder, name, label)) for label in wanted}
        for label, mask in masks.items():
            if image.shape != (len(stored.modalities), *mask.shape):
                raise UserError(
                    f"image {tuple(image.shape)} and label {tuple(mask.shape)} do not fit",
                    where=str(label_file(folder, name, label)),
                    remedy="run `remodal preprocess` for the case again",
                )
        cases.append(
            TrainingCase(
                name,
                _held(_chosen(image, channels), place, device),
                {label: _held(mask, place, device) for label, mask in masks.items()},
                {key: voxels for key, voxels in stored.foreground.items() if key[0] in wanted},
            )
        )
    return cases


def label_file(folder: Path, case: str, image: str) -> Path:
    """The file of the label that belongs to one of a case's images."""
    return Path(folder) / f"{case}.{label_name(image)}.npy"


def choose_place(
    folder: Path,
    usable: Mapping[str, Stored],
    labels: WantedLabels,
    wanted: Literal["auto", "device", "host", "disk"],
    device: torch.device,
) -> Place:
    """Where the cases are held: on the GPU if they fit, otherwise in memory or on disk.

    On a CPU `auto` maps the files: the operating system's file cache then holds them once for all
    processes. Part of the memory is left free (`_SHARE`).

    Raises:
        UserError: `device` is wanted, but its memory is too small.
    """
    on_gpu = device.type == "cuda"
    files = [Path(folder) / f"{name}.npy" for name in usable]
    files += [
        label_file(folder, name, label)
        for name, stored in usable.items()
        for label in labels.of(stored)
    ]
    needed = sum(file.stat().st_size for file in files if file.is_file())
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else free_memory()
    if wanted == "device" and needed > free:
        raise UserError(
            f"the cases need {needed / 2**30:.1f} GiB, the device has {free / 2**30:.1f} GiB free",
            where="compute.cache",
            remedy="set it to auto, host or disk",
        )
    if wanted != "auto":
        return wanted
    if not on_gpu:
        return "disk"
    if needed <= _SHARE * free:
        return "device"
    return "host" if needed <= _SHARE * free_memory() else "disk"


def free_memory() -> int:
    """Bytes of memory that this process may still take: the machine's, or its control group's."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        free = int(kibibytes) * 1024
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    try:
        group = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        folder = Path("/sys/fs/cgroup") / group.lstrip("/")
        limit = int((folder / "memory.max").read_text())
        return min(free, limit - int((folder / "memory.current").read_text()))
    except (OSError, ValueError):
        return free


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot be read ({error})",
            where=str(path),
            expected="an array of `remodal preprocess`",
            remedy="run it for the case again",
        ) from error


def _tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # torch warns about a read-only array, but no patch is ever changed in place.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _chosen(image: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """Some modalities of an image: adjacent ones stay mapped, any other choice is read now."""
    first, count = channels[0], len(channels)
    neighbours = list(channels) == list(range(first, first + count))
    return image[first : first + count] if neighbours else image[list(channels)]


def _held(array: np.ndarray, place: Place, device: torch.device) -> Tensor:
    tensor = _tensor(array if place == "disk" else array.copy())
    return tensor.to(device) if place == "device" else tensor


def _stored(record: Record) -> Stored:
    foreground = {
        (image, int(index)): np.asarray(voxels, dtype=np.int32).reshape(-1, 3)
        for image, classes in record.details.get("foreground", {}).items()
        for index, voxels in classes.items()
        if voxels
    }
    return Stored(
        record.details["modalities"],
        record.details["labels"],
        {key: foreground[key] for key in sorted(foreground)},
    )
