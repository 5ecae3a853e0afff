"""A case's stored registration, applied to what was found in one of its images."""

import re
from pathlib import Path

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_geometry
from remodal.registration.transforms import ParameterMap, warp_label
from remodal.results.records import Record, read_record

_ENTRY = re.compile(r"^\((\w+) (.*)\)$", re.MULTILINE)
_VALUE = re.compile(r'"([^"]*)"|(\S+)')


def carry_label(label: Volume, modality: str, registered: Path) -> Volume:
    """A label of an image as it was converted, where registration placed that image.

    It moves as the image did, but by nearest neighbour, and is 0 outside the image.

    Args:
        label: on the grid of the converted image.
        modality: the image.
        registered: the case's folder of registered images.

    Returns:
        The label on the grid of the registered case; the label itself if the image stayed there.

    Raises:
        UserError: a stored transform is missing, or of a kind that cannot be applied.
    """
    record = read_record(registered / "registration.json")
    grid = read_geometry(registered / f"{record.details['fixed']}.nii.gz")
    files = _transform_files(record, modality, registered)
    if not files and label.geometry.agrees_with(grid):
        return label
    chain = [_read_parameters(path) for path in files]
    try:
        return warp_label(label, grid, chain)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"the stored transform of the {modality} image cannot be applied ({error})",
            where=str(registered),
            expected="translation, Euler, affine and B-spline transforms that add up",
            remedy="choose another registration.method, or leave out scenarios in native space",
        ) from error


def _transform_files(record: Record, modality: str, registered: Path) -> list[Path]:
    """The transforms of an image in the order of application; empty if it lies as its header says.

    A way that measures no quality leaves files that the record does not name.
    """
    named = record.details.get(modality, {}).get("transforms")
    if named is not None:
        return [registered / name for name in named]
    pattern = re.compile(rf"transform-{re.escape(modality)}-(\d+)\.txt")
    found = {path: pattern.fullmatch(path.name) for path in registered.glob("transform-*.txt")}
    return sorted((path for path in found if found[path]), key=lambda path: int(found[path][1]))


def _read_parameters(path: Path) -> ParameterMap:
    """A transform parameter file as elastix writes it.

    Raises:
        UserError: it is missing.
    """
    if not path.is_file():
        raise UserError(
            "is missing: it says how the image was registered",
            where=str(path),
            remedy="register the case again: remove its registration.json and run the study",
        )
    entries = _ENTRY.findall(path.read_text(encoding="utf-8"))
    return {
        key: tuple(quoted or bare for quoted, bare in _VALUE.findall(values))
        for key, values in entries
    }
