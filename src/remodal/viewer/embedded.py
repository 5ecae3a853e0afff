"""Volumes as text that an HTML page holds: NIfTI, compressed, in base64."""

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing.labels import class_indices
from remodal.viewer.cut import Cut
from remodal.viewer.shown import Segmentation, Shown

#: Longest text that a page's script can read: 2^29 characters in Chromium's V8, with room to spare.
_LONGEST = 500_000_000


@dataclass(frozen=True)
class Embedded:
    """A volume in a page.

    Attributes:
        name: by which the page's script finds it.
        text: NIfTI, gzip, base64.
        window: of an image: what is black, and what is white.
    """

    name: str
    text: str
    window: tuple[float, float] | None = None


def embed(name: str, content: bytes, window: tuple[float, float] | None = None) -> Embedded:
    """The content of a compressed NIfTI file as text.

    Raises:
        UserError: it is longer than a browser can read.
    """
    text = base64.b64encode(content).decode("ascii")
    if len(text) > _LONGEST:
        raise UserError(
            f"a volume is too large for a page: {len(text) / 1e6:.0f} MB",
            expected=f"at most {_LONGEST / 1e6:.0f} MB",
            remedy="make it smaller with --spacing or --crop",
        )
    return Embedded(name, text, window)


def packed(volume: Volume) -> bytes:
    """A volume as the content of a compressed NIfTI file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "volume.nii.gz")
        write_volume(path, volume)
        return path.read_bytes()


def read_segmentation(shown: Shown, one: Segmentation, grid: Geometry) -> Volume:
    """A segmentation as class indices: 1 for the study's first class, uint8.

    Raises:
        UserError: it is not on the grid of the images.
    """
    volume = read_volume(one.file)
    if not volume.geometry.agrees_with(grid, tolerance=0.05):
        raise UserError(
            "lies elsewhere than the case's images",
            where=str(one.file),
            remedy="run the study again: its images have changed since",
        )
    if one.truth:
        return class_indices(volume, shown.settings.data.classes)
    return volume.with_array(volume.array.astype(np.uint8))


def centre_of(masks: Sequence[Volume]) -> list[float] | None:
    """A voxel of the first mask that holds any: in RAS mm, where a slice holds most of it.

    Returns:
        (x, y, z) as NIfTI viewers count; None if all masks are empty.
    """
    for mask in masks:
        seen = mask.array > 0
        if not seen.any():
            continue
        index = int(seen.sum(axis=(1, 2)).argmax())
        voxels = np.argwhere(seen[index])
        y, x = voxels[np.abs(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
        left, posterior, superior, _ = mask.geometry.affine @ [x, y, index, 1]
        return [-float(left), -float(posterior), float(superior)]
    return None


def cut_note(cut: Cut, grid: Geometry) -> str:
    """What a page leaves out of the volumes, in words; empty if nothing."""
    parts = []
    if any(step > 1 for step in cut.step):
        spacing = [s * step for s, step in zip(grid.spacing, cut.step[::-1])]
        parts.append(
            f"only every {_counted(cut.step[::-1])} voxel is here, so voxels are "
            f"{_by(spacing)} mm apart instead of {_by(grid.spacing)} mm"
        )
    if (cut.start, cut.stop) != ((0, 0, 0), grid.shape):
        parts.append("only the part around the segmentations is here")
    return "; ".join(parts)


def _counted(step: Sequence[int]) -> str:
    """`2nd` if all axes have the same step, otherwise `2nd (x), 2nd (y), 1st (z)`."""
    words = [{1: "1st", 2: "2nd", 3: "3rd"}.get(one, f"{one}th") for one in step]
    if len(set(words)) == 1:
        return words[0]
    return ", ".join(f"{word} ({axis})" for word, axis in zip(words, "xyz"))


def _by(lengths: Sequence[float]) -> str:
    return " × ".join(f"{length:.3g}" for length in lengths)
