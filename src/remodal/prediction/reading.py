"""A patient's images and masks, read and checked."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.acquisition import acquisition, compare
from remodal.intake.convert import convert_image
from remodal.intake.nifti import read_volume
from remodal.intake.source_files import is_there


@dataclass(frozen=True)
class ReadImages:
    """Images as the intake stage converts them, by modality, and what is odd about them."""

    volumes: dict[str, Volume]
    warnings: list[str]


def wanted_modalities(images: Mapping[str, Path], description: Mapping[str, Any]) -> list[str]:
    """The given modalities, in the model's order.

    Raises:
        UserError: none is given, the model does not know one, or its file does not exist.
    """
    known = description["modalities"]
    expected = "one or more of " + ", ".join(f"--{modality}" for modality in known)
    if not images:
        raise UserError("no image is given", expected=expected)
    for modality, path in images.items():
        if modality not in known:
            raise UserError(
                f"the model knows no modality `{modality}`", where="predict", expected=expected
            )
        if not is_there(Path(path)):
            raise UserError(
                "does not exist", where=f"--{modality} {path}", expected="a folder or image file"
            )
    return [modality for modality in known if modality in images]


def chosen_target(target: str, given: list[str], description: Mapping[str, Any]) -> str:
    """The image to segment; empty for a model whose images share one ground truth.

    Raises:
        UserError: the model needs a target and has no valid one, or one is given and not needed.
    """
    if description["data"]["truth"] != "image":
        if target:
            raise UserError(
                "the images of this model's cases share one truth, so there is nothing to choose",
                where=f"--target {target}",
                remedy="leave it out",
            )
        return ""
    chosen = target or (given[0] if len(given) == 1 else "")
    if chosen not in given:
        raise UserError(
            f"`{chosen}` is not among the images" if chosen else "which image is to be segmented?",
            where="--target",
            expected=f"one of {', '.join(given)}",
        )
    return chosen


def read_images(
    sources: Mapping[str, Path], description: Mapping[str, Any], case: str
) -> ReadImages:
    """Read images as the intake stage converts them; warnings are printed to standard error too.

    Args:
        sources: modality to DICOM folder or image file.
        description: the model's.
        case: pseudonym, for messages.

    Raises:
        UserError: an image is of another DICOM modality than the model's training images.
        BadCase: one cannot be used.
    """
    volumes, warnings = {}, []
    for modality, source in sources.items():
        volumes[modality], found = _read(source, modality, description, case)
        warnings += [f"{modality}: {warning}" for warning in found]
    for warning in warnings:
        print(f"remodal: {case}: {warning}", file=sys.stderr)
    return ReadImages(volumes, warnings)


def _read(
    source: Path, modality: str, description: Mapping[str, Any], case: str
) -> tuple[Volume, list[str]]:
    trained = description["fingerprint"].get("acquired", {}).get(modality)
    with TemporaryDirectory() as folder:
        converted, record = Path(folder) / "image.nii", Path(folder) / "image.json"
        found = convert_image(source, converted, record, case=case, modality=modality)
        doubts = compare(acquisition(found.details), trained, f"--{modality}")
        return read_volume(converted), [*found.warnings, *doubts]


def read_masks(masks: Mapping[str, Path], known: Iterable[str]) -> dict[str, Volume]:
    """Masks of a patient's images: all nonzero voxels.

    Raises:
        UserError: a mask is of an image that is not given.
        BadCase: a file cannot be read.
    """
    for modality in masks:
        if modality not in known:
            raise UserError(
                f"there is no {modality} image to this mask",
                where=f"--mask {modality}={masks[modality]}",
                expected=f"one of {', '.join(known)}",
            )
    volumes = {modality: read_volume(Path(path)) for modality, path in masks.items()}
    return {name: volume.with_array(volume.array != 0) for name, volume in volumes.items()}
