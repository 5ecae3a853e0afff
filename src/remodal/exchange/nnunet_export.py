"""A study's registered cases as a raw data set of nnU-Net, version 2, with the study's folds.

The format is that of documentation/dataset_format.md and of nnUNetTrainer.do_split in
MIC-DKFZ/nnUNet 2.8.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from remodal.counting import counted
from remodal.errors import UserError
from remodal.exchange.nnunet_labels import described_labels
from remodal.exchange.nnunet_splits import NAME, RawSplit, raw_split
from remodal.exchange.registered import (
    RegisteredCase,
    RegisteredStudy,
    chosen_modalities,
    exportable,
    image_kinds,
    image_of_truth,
    read_study,
)
from remodal.intake.nifti import read_volume, write_volume
from remodal.intake.nnunet import LISTING
from remodal.preprocessing.labels import class_indices
from remodal.process.progress import progress
from remodal.results.files import link_or_copy, removed_if_unfinished, write_json

RAW, PREPROCESSED = "nnUNet_raw", "nnUNet_preprocessed"
_ENDING = ".nii.gz"


def export_nnunet(
    study: Path,
    output: Path,
    number: int,
    *,
    name: str = "",
    modalities: Sequence[str] = (),
    regions: bool = False,
    copy: bool = False,
) -> list[str]:
    """Write `nnUNet_raw/DatasetNNN_Name`, and its folds below `nnUNet_preprocessed`.

    The images are the registered ones, since nnU-Net wants the channels of a case on one grid. A
    case that lacks an image or the label is left out. Labels hold class indices.

    Args:
        study: folder of a study whose cases are registered and split.
        output: folder for both of nnU-Net's folders.
        number: of the data set, 1 to 999.
        name: of the data set; empty: the study's.
        modalities: the channels, in order; empty: all.
        regions: whether nnU-Net is to be trained on the study's regions instead of its classes.
        copy: copy the images, instead of hard links to them.

    Returns:
        Lines on what was written, and what was left out.

    Raises:
        UserError: no such study or modality, the data set or its number is taken, regions that
            nnU-Net cannot have, or no case is left.
    """
    source = read_study(study)
    channels = chosen_modalities(source.settings, modalities)
    dataset = f"Dataset{number:03}_{name or source.settings.study}"
    target = output / RAW / dataset
    _require_free(target, number)
    labels = described_labels(source.settings, regions=regions)
    cases = {case: exportable(source, case, channels) for case in source.splits["patients"]}
    usable = {name: case for name, case in cases.items() if case}
    split = raw_split(source.splits["folds"], usable)
    if not split.training:
        raise UserError("no case has all of the images and a label", where=str(study))
    part = target.with_name(f".{dataset}.part")
    shutil.rmtree(part, ignore_errors=True)
    with removed_if_unfinished(part):
        _write_cases(part, usable, split, source, copy=copy)
        write_json(part / LISTING, _listing(source, channels, split, labels))
        # The folds first: without them nnU-Net would make its own, without a word.
        splits = output / PREPROCESSED / dataset / NAME
        write_json(splits, split.folds)
        part.rename(target)
    return _told(source, channels, cases, split, target, splits)


def _require_free(target: Path, number: int) -> None:
    """nnU-Net finds data sets by their numbers."""
    for path in target.parent.glob(f"Dataset{number:03}_*"):
        raise UserError(
            "is there already", where=str(path), remedy="remove it, or choose another --number"
        )


def _write_cases(
    folder: Path,
    usable: dict[str, RegisteredCase],
    split: RawSplit,
    source: RegisteredStudy,
    *,
    copy: bool,
) -> None:
    parts = dict.fromkeys(split.training, "Tr") | dict.fromkeys(split.test, "Ts")
    for name in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, part in progress(parts.items(), "Exporting", total=len(parts)):
        case = usable[name]
        for channel, image in enumerate(case.images):
            path = folder / f"images{part}/{name}_{channel:04}{_ENDING}"
            shutil.copyfile(image, path) if copy else link_or_copy(image, path)
        label = class_indices(read_volume(case.label), source.settings.data.classes)
        write_volume(folder / f"labels{part}/{name}{_ENDING}", label)


def _listing(
    source: RegisteredStudy, channels: Sequence[str], split: RawSplit, labels: dict
) -> dict:
    """The content of dataset.json.

    The name of a channel tells nnU-Net how to normalise it: `CT` by the foreground's intensities,
    any other by the image's own.
    """
    settings, exported = source.settings, [*split.training, *split.test]
    kinds = image_kinds(source)
    called = ["CT" if kinds[name] == "CT" else name for name in channels]
    return {
        "channel_names": dict(zip(map(str, range(len(channels))), called)),
        **labels,
        "numTraining": len(split.training),
        "file_ending": _ENDING,
        "name": settings.study,
        "description": settings.title,
        "remodal": {
            "modalities": list(channels),
            "classes": {name: index for index, name in enumerate(settings.data.classes, 1)},
            **{
                key: {case: source.splits[key][case] for case in exported}
                for key in ("patients", "groups")
                if key in source.splits
            },
        },
    }


def _told(
    source: RegisteredStudy,
    channels: Sequence[str],
    cases: dict[str, RegisteredCase | None],
    split: RawSplit,
    target: Path,
    splits: Path,
) -> list[str]:
    left_out = [name for name, case in cases.items() if case is None]
    training = counted(len(split.training), "case")
    lines = [f"{target}: {training} for training, {len(split.test)} for testing"]
    if left_out:
        lacking = "an image or the label"
        lines.append(f"left out, as they lack {lacking}: {', '.join(left_out)}")
    if source.settings.data.truth == "image" and len(channels) > 1:
        lines.append(f"the labels are those of {image_of_truth(source.settings, channels)}")
    return [*lines, *split.notes, f"{splits}: {counted(len(split.folds), 'fold')}"]
