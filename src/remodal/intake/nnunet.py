"""A raw data set of nnU-Net: what its dataset.json says, and its files.

Version 2 (`DatasetNNN_Name`): documentation/dataset_format.md of MIC-DKFZ/nnUNet. Version 1
(`TaskNNN_Name`) has the Decathlon's listing instead, with the same names of files. What only
remodal knows of an exported data set is under the key `remodal`, which nnU-Net passes over.

Light, since the Snakefile asks for the cases.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.intake.distributed import reading_folders
from remodal.results.files import read_json

LISTING = "dataset.json"
EXPECTED = f"a raw data set of nnU-Net, such as nnUNet_raw/Dataset001_Name, with its {LISTING}"

#: Formats with a voxel size and a place; nnU-Net also has pictures.
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_CHANNEL = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class RawCase:
    """A case's images in the order of the channels, and its label; None: it has none."""

    name: str
    images: list[Path]
    label: Path | None


@dataclass(frozen=True)
class RawDataset:
    """What a data set holds.

    Attributes:
        folder: of the data set.
        channels: names of the images of a case, as modalities of a study may be called.
        in_ct: whether nnU-Net normalises a channel as CT, which its name says.
        classes: value of a label by the class's name.
        regions: classes of each region by its name; empty: the classes are what is segmented.
        training: cases of imagesTr.
        test: cases of imagesTs; most data sets have no labels of these.
        patients: who a case belongs to, where that was exported.
        groups: stratum of a case, where that was exported.
    """

    folder: Path
    channels: list[str]
    in_ct: bool
    classes: dict[str, int]
    regions: dict[str, list[str]]
    training: list[RawCase]
    test: list[RawCase]
    patients: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


def read_dataset(folder: Path) -> RawDataset:
    """Read the listing of a data set and find its files; no image is opened.

    Raises:
        UserError: there is no listing, it is none of nnU-Net, or it describes what no study can
            use: pictures without a voxel size, or labels with parts to be ignored.
        EnvironmentProblem: a folder may not be read.
    """
    path = folder / LISTING
    if not path.is_file():
        raise UserError(f"has no {LISTING}", where=str(folder), expected=EXPECTED)
    try:
        listing = read_json(path)
        ours = listing.get("remodal", {})
        named = listing["channel_names"] if "channel_names" in listing else listing["modality"]
        channels = _channels(named, ours)
        in_ct = any(str(name).casefold() == "ct" for name in named.values())
        values = _values(listing["labels"])
        classes, regions = _classes(values, ours.get("classes", {}))
        ending = str(listing.get("file_ending", ".nii.gz"))
        listed = _listed(folder, listing["dataset"], len(channels)) if "dataset" in listing else []
        patients, groups = (dict(ours.get(key, {})) for key in ("patients", "groups"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "is no listing of nnU-Net",
            where=str(path),
            expected="`channel_names` (version 1: `modality`) and `labels`; in `dataset`, if it is "
            "there, a label and an image of each channel for each case",
        ) from error
    _require_usable(path, ending, values)
    with reading_folders():
        test = _cases(folder, "Ts", len(channels), ending)
        training = listed or _cases(folder, "Tr", len(channels), ending)
    return RawDataset(folder, channels, in_ct, classes, regions, training, test, patients, groups)


def _channels(named: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Names that modalities may have; the channel's number tells those apart that are alike.

    Args:
        named: what the listing calls each channel, by its number.
        ours: what remodal wrote into the listing, if it did.
    """
    if given := ours.get("modalities"):
        return [str(name) for name in given]
    names = [_usable(str(named[number])) for number in sorted(named, key=int)]
    return [
        f"{name}_{index}" if names.count(name) > 1 else name for index, name in enumerate(names)
    ]


def _usable(name: str) -> str:
    """A name of letters, digits and `_`, in lower case."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"


def _values(labels: Mapping[str, Any]) -> dict[str, list[int]]:
    """The values of each name but the background's; version 1 has names by value."""
    if all(name.isdigit() for name in labels):
        labels = {name: int(value) for value, name in labels.items()}
    found = {
        name: [int(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in labels.items()
    }
    return {name: values for name, values in found.items() if values != [0]}


def _classes(
    values: Mapping[str, Sequence[int]], given: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """The classes that all names together have, and the regions if any name has several values."""
    alone = {one[0]: _usable(name) for name, one in values.items() if len(one) == 1}
    names = alone | {int(value): str(name) for name, value in given.items()}
    there = sorted({value for several in values.values() for value in several})
    classes = {names.get(value, f"class_{value}"): value for value in there}
    if all(len(one) == 1 for one in values.values()):
        return classes, {}
    by_value = {value: name for name, value in classes.items()}
    regions = {
        _usable(name): [by_value[one] for one in several] for name, several in values.items()
    }
    return classes, regions


def _require_usable(path: Path, ending: str, values: Mapping[str, Sequence[int]]) -> None:
    if ending not in _ENDINGS:
        raise UserError(
            f"`file_ending` is `{ending}`",
            where=str(path),
            expected=f"one of {', '.join(_ENDINGS)}; pictures have no voxel size",
        )
    if "ignore" in values:
        raise UserError(
            "the labels have parts to be ignored (`ignore`)",
            where=str(path),
            expected="labels of the whole image",
            remedy="leave these cases out, or complete their labels",
        )


def _cases(folder: Path, part: str, channels: int, ending: str) -> list[RawCase]:
    """The cases of imagesTr or imagesTs, with a label if there is one.

    A case that lacks a channel names it all the same.
    """
    images, labels = folder / f"images{part}", folder / f"labels{part}"
    stems = [path.name.removesuffix(ending) for path in _files(images, ending)]
    names = {found[1] for found in map(_CHANNEL.fullmatch, stems) if found}
    labelled = {path.name.removesuffix(ending) for path in _files(labels, ending)}
    return [
        RawCase(
            name,
            [images / f"{name}_{channel:04}{ending}" for channel in range(channels)],
            labels / f"{name}{ending}" if name in labelled else None,
        )
        for name in sorted(names | (labelled if part == "Tr" else set()))
    ]


def _files(folder: Path, ending: str) -> list[Path]:
    """The files of a folder that end so, without hidden ones; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return [p for p in folder.iterdir() if p.name.endswith(ending) and p.name[0] != "."]


def _listed(folder: Path, listed: Mapping[str, Mapping[str, Any]], channels: int) -> list[RawCase]:
    """The training cases of a listing that names each file (`dataset`).

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not such, or a case has fewer images
            than there are channels, or more.
    """
    cases = [
        RawCase(name, [folder / image for image in one["images"]], folder / one["label"])
        for name, one in sorted(listed.items())
    ]
    if any(len(case.images) != channels for case in cases):
        raise ValueError("a case has not one image of each channel")
    return cases
