"""A data set in the Brain Imaging Data Structure (BIDS): which cases it holds, and where.

```
participants.tsv
sub-01/anat/sub-01_T1w.nii.gz                          or, in sessions and runs,
sub-01/ses-a/anat/sub-01_ses-a_acq-spir_run-1_T2w.nii.gz
derivatives/manual/sub-01/anat/sub-01_space-T1w_label-liver_mask.nii.gz
```

A case is what one subject has in one session and run. The folder around the files (`anat`) may have
any name. BIDS: https://bids-specification.readthedocs.io

Light (standard library only), since the Snakefile asks for the cases.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.bids_labels import labels_of
from remodal.intake.bids_names import (
    RUN,
    SESSION,
    SUBJECT,
    BidsName,
    name_of_file,
    parse_name,
)
from remodal.intake.distributed import reading_folders, require_folder
from remodal.intake.label_source import LabelSource

EXPECTED = "a folder in BIDS, with `sub-*/anat/` or `sub-*/ses-*/anat/`"
_DERIVATIVES, _PARTICIPANTS = "derivatives", "participants.tsv"
#: What a table says where it knows nothing.
_UNKNOWN = ("n/a", "")


@dataclass(frozen=True)
class BidsCase:
    """A case as the folder holds it.

    Attributes:
        name: its subject, session and run, as `sub-01_ses-a_run-1`.
        patient: its subject, as `sub-01`.
        images: by modality. One whose file is missing is named where a label of it is there, or
            where the case has no image.
        labels: of images, by modality.
    """

    name: str
    patient: str
    images: dict[str, Path]
    labels: dict[str, LabelSource]


@dataclass(frozen=True)
class Wanted:
    """What a study takes from a folder.

    Attributes:
        images: what the file names of each modality's images hold, as `acq-spir_T2w`.
        labels: what the file names of each modality's labels hold, or several such with a value for
            each, as `1=label-liver_mask; 2=label-lesion_mask`. Empty: a mask or a segmentation that
            is named as its image, with more parts.
        pipeline: the folder of the labels: in `derivatives`, or anywhere. None: all in
            `derivatives`.
    """

    images: Mapping[str, str]
    labels: Mapping[str, str]
    pipeline: Path | None = None


@dataclass
class _Files:
    """The images of a case by modality, and every file of `derivatives` that may be its label."""

    images: dict[str, Path]
    derived: list[Path]


def find_cases(folder: Path, wanted: Wanted) -> list[BidsCase]:
    """The cases of a folder in alphabetical order; no image is opened.

    Raises:
        UserError: there is no such folder, it has no subject or none of the images, or several
            files may be one image or its label.
        EnvironmentProblem: it may not be read.
    """
    require_folder(folder, EXPECTED)
    images = {modality: parse_name(text) for modality, text in wanted.images.items()}
    with reading_folders():
        files = list(_files(folder))
        subjects = [path.name for path in _folders(folder, SUBJECT)]
        derived = [path for place in _pipelines(folder, wanted.pipeline) for path in _files(place)]
    if not subjects:
        raise UserError("holds no subject", where=str(folder), expected=EXPECTED)
    found = _sorted_out(files, derived, images)
    _require_an_image(found, files, images, folder)
    cases = [_case(key, found[key], images, wanted.labels, folder) for key in found]
    known = {case.patient for case in cases if case.images}
    cases += [_without_images(name, images, folder) for name in subjects if name not in known]
    return sorted((case for case in cases if case.images), key=lambda case: case.name)


def read_groups(folder: Path, column: str) -> dict[str, str]:
    """A column of participants.tsv, by subject (`sub-01`).

    Raises:
        UserError: there is no such table or column.
    """
    path = folder / _PARTICIPANTS
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise UserError(
            "cannot be read", where=str(path), expected="a table of subjects"
        ) from error
    columns = list(rows[0]) if rows else []
    for name in ("participant_id", column):
        if name not in columns:
            raise UserError(
                f"has no column `{name}`", where=str(path), expected=f"one of {', '.join(columns)}"
            )
    groups = {row["participant_id"]: row[column] or "" for row in rows}
    return {name: "" if group in _UNKNOWN else group for name, group in groups.items()}


def _pipelines(folder: Path, named: Path | None) -> list[Path]:
    """The folders of `derivatives`, or the one that is named."""
    around = folder / _DERIVATIVES
    if named is None:
        return _folders(around) if around.is_dir() else []
    require_folder(around / named, "a folder of labels with `sub-*/anat/`")
    return [around / named]


def _files(folder: Path) -> Iterator[Path]:
    """Every image file of every subject, in alphabetical order."""
    for subject in _folders(folder, SUBJECT):
        for around in [subject, *_folders(subject, SESSION)]:
            for kind in _folders(around):
                yield from (path for path in sorted(kind.iterdir()) if name_of_file(path.name))


def _folders(folder: Path, key: str = "") -> list[Path]:
    """The folders in a folder, in alphabetical order; those of an entity, if one is named."""
    start = f"{key}-" if key else ""
    return sorted(
        path for path in folder.iterdir() if path.name.startswith(start) and path.is_dir()
    )


def _sorted_out(
    files: Iterable[Path], derived: Iterable[Path], images: Mapping[str, BidsName]
) -> dict[str, _Files]:
    """The files of each case. What the name of some image is said to hold tells no cases apart."""
    said = {key for name in images.values() for key in name.entities}
    keys = [key for key in (SUBJECT, SESSION, RUN) if key not in said]
    found: dict[str, _Files] = defaultdict(lambda: _Files({}, []))
    for path in files:
        name = name_of_file(path.name)
        for modality, wanted in images.items():
            if name.words == wanted.words and name.has(wanted.entities):
                case = found[_key(name, keys)]
                _require_one(case.images.setdefault(modality, path), path, modality)
    for path in derived:
        key = _key(name_of_file(path.name), keys)
        found[key].derived.append(path)
    return dict(found)


def _key(name: BidsName, keys: Iterable[str]) -> str:
    return "_".join(f"{key}-{name.entities[key]}" for key in keys if key in name.entities)


def _require_one(first: Path, second: Path, modality: str) -> None:
    if first != second:
        raise UserError(
            f"{first.name} and {second.name} may both be the {modality} image",
            where=str(first.parent),
            expected="one in each session and run",
            remedy=f"say which under data.options.bids.images, such as `{modality}: acq-..._T1w`",
        )


def _require_an_image(
    found: Mapping[str, _Files],
    files: Iterable[Path],
    images: Mapping[str, BidsName],
    folder: Path,
) -> None:
    if any(case.images for case in found.values()):
        return
    there = sorted({name_of_file(path.name).suffix for path in files})
    raise UserError(
        f"has no image `{'` or `'.join(map(str, images.values()))}`",
        where=str(folder),
        expected=f"one of its suffixes: {', '.join(there)}" if there else EXPECTED,
        remedy="say what the images are called: `data: {options: {bids: {images: {t1: T1w}}}}`",
    )


def _case(
    key: str,
    files: _Files,
    images: Mapping[str, BidsName],
    labels: Mapping[str, str],
    folder: Path,
) -> BidsCase:
    """A case and its labels; it has no image if the labels there are of images not wanted."""
    drawn, missing = labels_of(files.images, files.derived, images, labels)
    named = {name: _missing(key, images[name], folder) for name in missing}
    present = {name: path for name in images if (path := (files.images | named).get(name))}
    return BidsCase(key, key.partition("_")[0], present, drawn)


def _without_images(subject: str, images: Mapping[str, BidsName], folder: Path) -> BidsCase:
    """The case of a subject without any image: its conversion says what is wrong."""
    name, first = next(iter(images.items()))
    return BidsCase(subject, subject, {name: _missing(subject, first, folder)}, {})


def _missing(key: str, image: BidsName, folder: Path) -> Path:
    """Where an image that is not there would be."""
    subject, *rest = key.split("_")
    session = next((part for part in rest if part.startswith(f"{SESSION}-")), "")
    return folder / subject / session / "anat" / f"{key}_{image}.nii.gz"
