"""Which files of a BIDS folder's `derivatives` are the labels of a case's images.

A label is named as its image, with more parts: `sub-01_T1w_label-liver_mask`, or, as BIDS has it
since its version 1.4, `sub-01_space-T1w_label-liver_mask`. A study may say what its names hold.

Light (standard library only), since the Snakefile asks for the cases.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.bids_names import BidsName, name_of_file, parse_name
from remodal.intake.label_source import LabelSource, parse_label

#: A mask of one structure, and a segmentation of several.
SUFFIXES = ("mask", "dseg")
_SPACE = "space"
#: Spaces that are the image's own grid.
_OWN_SPACES = ("orig", "individual", "scanner", "native")
_WHERE = "data.options.bids.labels"


def labels_of(
    images: Mapping[str, Path],
    derived: Iterable[Path],
    names: Mapping[str, BidsName],
    said: Mapping[str, str],
) -> tuple[dict[str, LabelSource], list[str]]:
    """The labels of a case, and the modalities that it lacks though a label of them is there.

    Args:
        images: its images by modality.
        derived: files of the same subject, session and run that may be its labels.
        names: what the names of each modality's images hold.
        said: as `bids.Wanted.labels`.

    Raises:
        UserError: several files may be a label, or a file may be that of several images.
    """
    found = {path: name_of_file(path.name) for path in derived}
    if said:
        drawn = {modality: _named(text, found, modality) for modality, text in said.items()}
        labels = {modality: label for modality, label in drawn.items() if label}
        return labels, [modality for modality in labels if modality not in images]
    masks = {path: name for path, name in found.items() if name.suffix in SUFFIXES}
    owners = {path: _owners(name, images) for path, name in masks.items()}
    for path, files in owners.items():
        if len(files) > 1:
            first, second, *_ = sorted(file.name for file in files)
            raise UserError(
                f"{path.name} may be the label of {first} and of {second}",
                where=str(path.parent),
                expected="the name of one image, with more parts",
                remedy=f"say what the labels are called, under {_WHERE}",
            )
    labels = {}
    for modality, image in images.items():
        own = [path for path, files in owners.items() if files == {image}]
        if own:
            labels[modality] = LabelSource((_only(own, modality),))
    orphans = [name for path, name in masks.items() if not owners[path]]
    missing = [
        modality
        for modality, wanted in names.items()
        if modality not in images and any(_names(label, wanted) for label in orphans)
    ]
    return labels, missing


def _named(text: str, found: Mapping[Path, BidsName], modality: str) -> LabelSource | None:
    """The label whose names a study says; None: it is not there.

    If some of its files are there, the others are named, so that its conversion says what is wrong.
    """
    parts = parse_label(text)
    wanted = [parse_name(str(part)) for part in parts.files]
    files = [[path for path, name in found.items() if name.fits(one)] for one in wanted]
    there = [path for paths in files for path in paths]
    if not there:
        return None
    beside = there[0].parent
    named = (
        _only(paths, modality) if paths else beside / f"{_start(there[0])}_{one}.nii.gz"
        for paths, one in zip(files, wanted)
    )
    return LabelSource(tuple(named), parts.values)


def _start(path: Path) -> str:
    """The subject at the start of a file's name."""
    return path.name.partition("_")[0]


def _only(paths: list[Path], modality: str) -> Path:
    if len(paths) > 1:
        raise UserError(
            f"{paths[0].name} and {paths[1].name} may both be the label of the {modality} image",
            where=str(paths[0].parent),
            expected="one",
            remedy=f"say which under {_WHERE}, such as `{modality}: desc-manual_mask`, or name "
            "data.options.bids.pipeline",
        )
    return paths[0]


def _owners(label: BidsName, images: Mapping[str, Path]) -> set[Path]:
    """The images that a label's name may stand for."""
    return {path for path in images.values() if belongs(label, name_of_file(path.name))}


def belongs(label: BidsName, image: BidsName) -> bool:
    """Whether a label is named as an image, with more parts.

    The suffix of the image may be a word of it or its space; if neither is there, the entities
    have to tell the images apart.
    """
    words, space = label.words[:-1], label.entities.get(_SPACE)
    if not label.has(image.entities):
        return False
    if words:
        return image.suffix in words
    return space in (None, image.suffix, *_OWN_SPACES)


def _names(label: BidsName, wanted: BidsName) -> bool:
    """Whether a label names the image that is wanted, by its suffix."""
    named = (*label.words[:-1], label.entities.get(_SPACE))
    return wanted.suffix in named and label.has(wanted.entities)
