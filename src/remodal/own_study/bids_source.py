"""What the images and labels of a BIDS folder are called, read off their names."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.intake.bids_labels import SUFFIXES, belongs
from remodal.intake.bids_names import BidsName, name_of_file, parse_name
from remodal.intake.nifti import read_volume

_DERIVATIVES = "derivatives"
#: The entity that says what a mask is of.
_STRUCTURE = "label"
#: Masks of a structure that are opened.
_MEASURED = 5


def bids_options(folder: Path) -> dict[str, Any]:
    """What a study says of a BIDS folder: its images, and its labels where there are several.

    An image's modality is named after its suffix and entities: `T1w` is t1, `acq-spir_T2w` is
    t2_spir. Where an image has several masks, each of another structure (`label-liver_mask`), they
    get the values 1, 2 ... from the largest structure to the smallest: of structures that overlap
    the higher value wins, and a lesion lies in its organ.

    Args:
        folder: with `sub-*`.

    Returns:
        `images`, and `labels` if they have to be named, as `data.options.bids` takes them.

    Raises:
        UserError: it is no folder in BIDS.
    """
    images = _kinds(folder.glob("sub-*/**/*"))
    if not images:
        raise UserError(
            "holds no sample sheet and no images in BIDS",
            where=str(folder),
            expected="a sheet (TSV), or a folder with `sub-*/anat/`",
            remedy="`remodal scan` writes the sheet of a folder of DICOM files",
        )
    named = {_modality(kind): kind for kind in images}
    derived = sorted((folder / _DERIVATIVES).glob("*/sub-*/**/*"))
    masks = [name for name in _kinds(derived) if _is_mask(name)]
    structures = _by_size(derived, {name.entities[_STRUCTURE] for name in masks})
    several = {modality: _values(kind, masks, structures) for modality, kind in named.items()}
    options: dict[str, Any] = {"images": {name: str(kind) for name, kind in named.items()}}
    if any(";" in text for text in several.values()):
        options["labels"] = {modality: text for modality, text in several.items() if text}
    return options


def _kinds(files: Iterable[Path]) -> list[BidsName]:
    """The names of image files without subject, session and run, each once."""
    names = [str(name) for path in files if (name := name_of_file(path.name))]
    kinds = {re.sub(r"(?:sub|ses|run)-[A-Za-z0-9]+_", "", name) for name in names}
    return [parse_name(kind) for kind in sorted(kinds)]


def _modality(kind: BidsName) -> str:
    words = [kind.suffix.removesuffix("w"), *kind.entities.values()]
    return "_".join(words).casefold()


def _is_mask(name: BidsName) -> bool:
    return name.suffix in SUFFIXES and _STRUCTURE in name.entities


def _by_size(files: Sequence[Path], structures: Collection[str]) -> list[str]:
    """Structures in the order of their voxels in some masks, most first; one alone is not measured.

    Raises:
        UserError: a mask cannot be read.
    """
    if len(structures) < 2:
        return list(structures)
    names = {path: name for path in files if (name := name_of_file(path.name)) and _is_mask(name)}
    voxels = {}
    for structure in sorted(structures):
        own = [path for path, name in names.items() if name.entities[_STRUCTURE] == structure]
        try:
            counts = [np.count_nonzero(read_volume(path).array) for path in own[:_MEASURED]]
        except BadCase as error:
            raise UserError(str(error)) from error
        voxels[structure] = float(np.mean(counts))
    return sorted(voxels, key=lambda structure: -voxels[structure])


def _values(image: BidsName, masks: Iterable[BidsName], structures: Sequence[str]) -> str:
    """The masks of an image, with a value for each, in the order of the structures."""
    own = {mask.entities[_STRUCTURE]: str(mask) for mask in masks if belongs(mask, image)}
    pairs = enumerate(structures, 1)
    return "; ".join(f"{value}={own[structure]}" for value, structure in pairs if structure in own)
