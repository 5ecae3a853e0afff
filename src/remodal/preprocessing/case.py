"""One case of a study, preprocessed and stored so that a random patch can be read fast."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import UserError
from remodal.preprocessing.fingerprint import read_fingerprint
from remodal.preprocessing.labels import PreparedLabel, describe_label
from remodal.preprocessing.prepare import scale
from remodal.preprocessing.source import Source, read_source
from remodal.results.files import atomic_path, sha256
from remodal.results.paths import STUDIES
from remodal.results.records import Record, with_quarantine, write_empty, write_record
from remodal.settings import Settings
from remodal.settings.names import label_name


def preprocess_case(
    settings: Settings,
    case: str,
    registered: Path,
    fingerprints: Sequence[Path],
    output: Path,
    studies: Path = STUDIES,
    *,
    quarantine: bool = False,
) -> list[Record]:
    """Preprocess one registered case for every fold, or only once if the folds do not differ.

    Each fold has a folder of its own, or all folds share one: `PreprocessingSettings.folder_of`.
    The folder gets `<case>.npy` (M, z, y, x; float16 or float32; only the modalities that the case
    has); for each of `settings.labels`, `<case>.label-<modality>.npy` (z, y, x; uint8 class
    indices; an empty file if the case has no such label); and a record, `<case>.json`. The arrays
    are uncompressed, so that they can be mapped into memory.

    The record's details are the properties of `Prepared`, the `labels` of the case, `foreground`
    and `voxels` by label and class index (see `PreparedLabel`), the origin of the `mask` if the
    case is cropped by one, and the `sha256` of the arrays' files.

    Args:
        settings: the study.
        case: name of the case.
        registered: the case's folder of registered images.
        fingerprints: those of the folds; not needed if the settings measure nothing on a fold.
        output: folder of the study's preprocessed cases, in which the folds' folders lie.
        studies: folder of the studies, one of which may predict the mask that a case is cropped by.
        quarantine: do not raise for a bad case, but record the reason and write empty arrays.

    Returns:
        A record for each folder.

    Raises:
        BadCase: the case cannot be used, and no quarantine is wanted.
        UserError: no fingerprint.
    """
    # Whatever is the same for all folds is read, cropped and resampled only once.
    source = cache(partial(read_source, settings, registered, studies))
    labels: dict[tuple, PreparedLabel] = {}
    records = []
    for folder, fingerprint in _folders(settings, fingerprints, output).items():
        path, image = folder / f"{case}.json", folder / f"{case}.npy"
        files = {name: folder / f"{case}.{label_name(name)}.npy" for name in settings.labels}
        work = partial(_preprocess, settings, source, labels, fingerprint, path, image, files)
        blank = Record(case=case, stage="preprocess")
        outputs = [image, *files.values()]
        records.append(with_quarantine(work, path, blank, outputs, wanted=quarantine))
    return records


def _folders(
    settings: Settings, fingerprints: Sequence[Path], output: Path
) -> dict[Path, dict[str, Any]]:
    """Each folder to fill, with the fingerprint that its arrays depend on.

    Raises:
        UserError: no fingerprint.
    """
    preprocessing = settings.preprocessing
    if not preprocessing.depends_on_fold:
        return {output / preprocessing.folder_of(0): {}}
    if not fingerprints:
        raise UserError(
            "the settings measure something on a fold's training cases",
            where="preprocess",
            expected="--fingerprint of each fold",
        )
    measured = [read_fingerprint(path) for path in fingerprints]
    return {output / preprocessing.folder_of(one["fold"]): one for one in measured}


def _preprocess(
    settings: Settings,
    source_of: Callable[[], Source],
    labels: dict[tuple, PreparedLabel],
    fingerprint: Mapping[str, Any],
    path: Path,
    image: Path,
    files: Mapping[str, Path],
) -> Record:
    """Write a case's arrays and record for one fold.

    Args:
        settings: the study.
        source_of: returns the case in the form that all folds share.
        labels: labels already brought onto a grid, by label and grid; new ones are added.
        fingerprint: that of the fold.
        path: record to write.
        image: array to write.
        files: label arrays to write, by the image that a label belongs to.
    """
    source = source_of()
    prepared = scale(source.cropped, fingerprint, settings.preprocessing)
    record = Record(case=source.case, stage="preprocess", warnings=source.warnings)
    details = record.details
    details |= prepared.properties | {"labels": list(source.labels)}
    details |= {"foreground": {}, "voxels": {}, "sha256": {}}
    if source.mask:
        details["mask"] = source.mask.origin
    _save(image, prepared.array.astype(settings.preprocessing.storage))
    details["sha256"]["image"] = sha256(image)
    grid = (*details["shape"], details["coarse_axis"])
    classes = list(settings.data.classes)
    for name, indices in source.labels.items():
        if (name, grid) not in labels:
            labels[name, grid] = describe_label(source.case, indices, classes, details)
        label = labels[name, grid]
        _save(files[name], label.array)
        details["foreground"][name], details["voxels"][name] = label.foreground, label.voxels
        details["sha256"][label_name(name)] = sha256(files[name])
        record.warnings.extend(f"{label_name(name)}: {loss}" for loss in label.losses)
    write_empty(file for name, file in files.items() if name not in source.labels)
    write_record(path, record)
    return record


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, array)
