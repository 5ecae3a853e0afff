"""One case of a study, preprocessed and stored so that a random patch can be read fast."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume
from remodal.masks.reading import Mask, read_mask
from remodal.preprocessing.fingerprint import read_fingerprint
from remodal.preprocessing.prepare import class_indices, crop_label, prepare, prepare_label
from remodal.results.files import atomic_path, sha256
from remodal.results.paths import STUDIES
from remodal.results.records import (
    Record,
    read_record,
    require_ok,
    with_quarantine,
    write_empty,
    write_record,
)
from remodal.settings import Settings
from remodal.settings.names import label_name

#: Foreground voxels of a class that are listed for the sampler.
_LISTED_VOXELS = 10_000


def preprocess_case(
    settings: Settings,
    case: str,
    registered: Path,
    fingerprint: Path,
    output: Path,
    studies: Path = STUDIES,
    *,
    quarantine: bool = False,
) -> Record:
    """Preprocess one registered case.

    Writes `<case>.npy` (M, z, y, x; float16 or float32; only the modalities that the case has),
    for each of `settings.labels` `<case>.label-<modality>.npy` (z, y, x; uint8 class indices; an
    empty file where the case has no such label), all uncompressed so that they can be mapped into
    memory, and a record, `<case>.json`.
    Its details are the properties of `Prepared`, the `labels` that there are, by label and class
    index `foreground` (up to 10,000 voxels [z, y, x], drawn with a fixed seed) and `voxels` (how
    many there are), and `sha256` of the arrays' files.

    Args:
        settings: the study.
        case: name of the case.
        registered: its folder of registered images.
        fingerprint: fingerprint.json of the fold.
        output: folder to write to.
        studies: folder of the studies, one of which may predict the mask that a case is cropped by.
        quarantine: go on with a bad case, by a record of its reason and empty arrays.

    Raises:
        BadCase: the case cannot be used, and no quarantine is wanted.
        UserError: no fingerprint.
    """
    path, images = output / f"{case}.json", output / f"{case}.npy"
    files = {name: output / f"{case}.{label_name(name)}.npy" for name in settings.labels}

    def work() -> Record:
        source = read_record(registered / "registration.json")
        require_ok([source])
        record, array, labels = _preprocessed(
            settings, source, registered, read_fingerprint(fingerprint), studies
        )
        _save(images, array.astype(settings.preprocessing.storage))
        record.details["sha256"] = {"image": sha256(images)}
        for name, label in labels.items():
            _save(files[name], label)
            record.details["sha256"][label_name(name)] = sha256(files[name])
        write_empty(file for name, file in files.items() if name not in labels)
        write_record(path, record)
        return record

    blank = Record(case=case, stage="preprocess")
    return with_quarantine(work, path, blank, [images, *files.values()], wanted=quarantine)


def _preprocessed(
    settings: Settings,
    source: Record,
    registered: Path,
    fingerprint: Mapping[str, Any],
    studies: Path,
) -> tuple[Record, np.ndarray, dict[str, np.ndarray]]:
    """The record, the images (M, z, y, x), and each label (z, y, x) by the image it belongs to."""
    volumes = {
        modality: read_volume(registered / f"{modality}.nii.gz")
        for modality in source.details["modalities"]
    }
    mask = _mask(settings, source, registered, studies)
    volume = mask.volume if mask else None
    prepared = prepare(volumes, fingerprint, settings.preprocessing, volume)
    record = Record(case=source.case, stage="preprocess", details=dict(prepared.properties))
    record.details |= {"labels": source.details["labels"], "foreground": {}, "voxels": {}}
    if mask:
        record.details["mask"] = mask.origin
        record.warnings += _fallback(mask, prepared.properties)
    labels = {}
    for name in source.details["labels"]:
        label = read_volume(registered / f"{label_name(name)}.nii.gz")
        if not label.geometry.agrees_with(next(iter(volumes.values())).geometry):
            raise BadCase(
                f"{label_name(name)} is on another grid than the images", expected="one grid"
            )
        indices = class_indices(label, settings.data.classes)
        labels[name] = prepare_label(indices, prepared.properties)
        foreground, counts = _foreground(source.case, labels[name], len(settings.data.classes))
        record.details["foreground"][name], record.details["voxels"][name] = foreground, counts
        losses = _losses(indices, list(settings.data.classes), prepared.properties, counts)
        record.warnings += [f"{label_name(name)}: {loss}" for loss in losses]
    return record, prepared.array, labels


def _mask(settings: Settings, source: Record, registered: Path, studies: Path) -> Mask | None:
    """The mask that the case is cropped by, where it lies as the registered images do."""
    wanted = settings.preprocessing.crop.mask
    if wanted is None:
        return None
    fixed = source.details["fixed"]
    truth = settings.truth_of(fixed)
    there = truth in source.details["labels"]
    label = registered / f"{label_name(truth)}.nii.gz" if there else None
    return read_mask(wanted, source.case, fixed, label, studies)


def _foreground(
    case: str, indices: np.ndarray, classes: int
) -> tuple[dict[str, list], dict[str, int]]:
    """Voxels of each class for the sampler, and how many there are, by class index."""
    listed, counts = {}, {}
    for index in range(1, classes + 1):
        positions = np.flatnonzero(indices == index)
        counts[str(index)] = len(positions)
        if len(positions) > _LISTED_VOXELS:
            generator = np.random.default_rng([zlib.crc32(case.encode()), index])
            positions = np.sort(generator.choice(positions, _LISTED_VOXELS, replace=False))
        listed[str(index)] = np.column_stack(np.unravel_index(positions, indices.shape)).tolist()
    return listed, counts


def _fallback(mask: Mask, properties: Mapping[str, Any]) -> list[str]:
    """What was done without a mask, in words."""
    if properties["cropped_by"] == "mask":
        return []
    why = mask.origin.get("missing", "it is empty")
    return [f"cropped to the body, since there is no mask: {why}"]


def _losses(
    indices: Volume, classes: list[str], properties: Mapping[str, Any], counts: Mapping[str, int]
) -> list[str]:
    """What cropping and resampling cost the label, in words."""
    cropped = crop_label(indices, properties)
    losses = []
    for index, name in enumerate(classes, 1):
        whole = np.count_nonzero(indices.array == index)
        kept = np.count_nonzero(cropped == index)
        if kept < whole:
            losses.append(f"{whole - kept} of {whole} voxels of `{name}` lie outside the crop")
        if kept and not counts[str(index)]:
            losses.append(f"all {kept} voxels of `{name}` vanish at the target spacing")
    return losses


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, array)
