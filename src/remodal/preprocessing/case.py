"""One case of a study, preprocessed and stored so that a random patch can be read fast."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume
from remodal.preprocessing.fingerprint import read_fingerprint
from remodal.preprocessing.prepare import class_indices, crop_label, prepare, prepare_label
from remodal.results.files import atomic_path, sha256
from remodal.results.records import Record, read_record, require_ok, with_quarantine, write_record
from remodal.settings import Settings

#: Foreground voxels of a class that are listed for the sampler.
_LISTED_VOXELS = 10_000


def preprocess_case(
    settings: Settings,
    case: str,
    registered: Path,
    fingerprint: Path,
    output: Path,
    *,
    quarantine: bool = False,
) -> Record:
    """Preprocess one registered case.

    Writes `<case>.npy` (M, z, y, x; float16 or float32; only the modalities that the case has),
    `<case>.label.npy` (z, y, x; uint8 class indices), both uncompressed so that they can be mapped
    into memory, and a record, `<case>.json`.
    Its details are the properties of `Prepared`, by class index `foreground` (up to 10,000 voxels
    [z, y, x], drawn with a fixed seed) and `voxels` (how many there are), and `sha256` of both
    arrays' files.

    Args:
        settings: the study.
        case: name of the case.
        registered: its folder of registered images.
        fingerprint: fingerprint.json of the fold.
        output: folder to write to.
        quarantine: go on with a bad case, by a record of its reason and empty arrays.

    Raises:
        BadCase: the case cannot be used, and no quarantine is wanted.
        UserError: no fingerprint.
    """
    images, labels = output / f"{case}.npy", output / f"{case}.label.npy"
    path = output / f"{case}.json"

    def work() -> Record:
        source = read_record(registered / "registration.json")
        require_ok([source])
        record, array, label = _preprocessed(
            settings, source, registered, read_fingerprint(fingerprint)
        )
        _save(images, array.astype(settings.preprocessing.storage))
        _save(labels, label)
        record.details["sha256"] = {"image": sha256(images), "label": sha256(labels)}
        write_record(path, record)
        return record

    blank = Record(case=case, stage="preprocess")
    return with_quarantine(work, path, blank, [images, labels], wanted=quarantine)


def _preprocessed(
    settings: Settings, source: Record, registered: Path, fingerprint: Mapping[str, Any]
) -> tuple[Record, np.ndarray, np.ndarray]:
    volumes = {
        modality: read_volume(registered / f"{modality}.nii.gz")
        for modality in source.details["modalities"]
    }
    label = read_volume(registered / "label.nii.gz")
    if not label.geometry.agrees_with(next(iter(volumes.values())).geometry):
        raise BadCase("the label is on another grid than the images", expected="one grid")
    prepared = prepare(volumes, fingerprint, settings.preprocessing)
    indices = class_indices(label, settings.data.classes)
    resampled = prepare_label(indices, prepared.properties)
    foreground, counts = _foreground(source.case, resampled, len(settings.data.classes))
    record = Record(
        case=source.case,
        stage="preprocess",
        details=prepared.properties | {"foreground": foreground, "voxels": counts},
        warnings=_losses(indices, list(settings.data.classes), prepared.properties, counts),
    )
    return record, prepared.array, resampled


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
