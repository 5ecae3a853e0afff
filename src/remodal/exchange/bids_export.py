"""A study's converted cases in the Brain Imaging Data Structure, with masks and predictions.

Images are those that were scanned, each on its own grid; BIDS keeps what was made of them apart, in
`derivatives`. BIDS 1.10: https://bids-specification.readthedocs.io
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from remodal import __version__
from remodal.counting import counted
from remodal.errors import UserError
from remodal.exchange.bids_images import image_names
from remodal.exchange.registered import RegisteredStudy, image_kinds, read_study
from remodal.intake.bids_names import SESSION, SUBJECT, BidsName
from remodal.process.progress import progress
from remodal.results.files import (
    link_or_copy,
    read_json,
    removed_if_unfinished,
    write_json,
    write_text,
)
from remodal.results.paths import (
    converted_folder,
    data_of,
    prediction_file,
    prediction_folder,
)
from remodal.settings.names import label_name

_BIDS = "1.10.0"
MASKS = "masks"
_MANUAL, _PREDICTED = "manual", "prediction"


@dataclass(frozen=True)
class _Export:
    """What is exported, and where each case goes.

    Attributes:
        study: with its settings and splits.
        names: what the image files of a modality are called, without subject and session.
        entities: subject, and session where patients have several cases, by case.
        folder: the data set to write.
    """

    study: RegisteredStudy
    names: Mapping[str, BidsName]
    entities: Mapping[str, Mapping[str, str]]
    folder: Path

    def file(self, case: str, name: BidsName, pipeline: str = "") -> Path:
        """Where a file of a case goes: among the images, or into a folder of `derivatives`."""
        around = self.folder / "derivatives" / pipeline if pipeline else self.folder
        of_case = self.entities[case]
        folders = [f"{key}-{value}" for key, value in of_case.items()]
        whole = BidsName({**of_case, **name.entities}, name.words)
        return around.joinpath(*folders, "anat", f"{whole}.nii.gz")

    def label(self, modality: str, description: str) -> BidsName:
        """Name of a segmentation that lies on an image."""
        image = self.names[modality]
        entities = {**image.entities, "space": image.suffix, "desc": description}
        return BidsName(entities, ("dseg",))


def export_bids(
    study: Path,
    output: Path,
    *,
    images: Mapping[str, str] | None = None,
    predictions: Sequence[str] = (),
) -> list[str]:
    """Write a data set in BIDS from a study whose cases are split.

    Args:
        study: folder of the study.
        output: folder to write, which must not be there or be empty.
        images: what a modality's files are called, as `acq-spir_T2w`, where that is not to be told
            from its name.
        predictions: methods whose predictions go into `derivatives`, one folder for each training
            and scenario.

    Returns:
        Lines on what was written; the last ones are what a study says to read it back.

    Raises:
        UserError: no such study or method, the folder is not empty, the images of a modality have
            no name, or two patients would get one name.
    """
    source = read_study(study)
    if output.exists() and any(output.iterdir()):
        raise UserError("is not empty", where=str(output), expected="a new folder")
    for method in predictions:
        if method not in source.settings.methods:
            known = ", ".join(source.settings.methods)
            raise UserError(f"no method `{method}`", where="--predictions", expected=known)
    names = image_names(source.settings, images or {}, image_kinds(source))
    export = _Export(source, names, _entities(source.splits["patients"]), output)
    with removed_if_unfinished(output):
        _write_description(output, source.settings.title, "raw")
        _write_top(export)
        count = _write_images(export, data_of(study, source.settings.data_id))
        made = [_write_predictions(export, study, method) for method in predictions]
    lines = [f"{output}: {counted(len(export.entities), 'case')}, {counted(count, 'label')}"]
    for method, folders in zip(predictions, made):
        lines.append(f"{counted(folders, 'folder')} of predictions of {method}")
    return [*lines, "to read it back:", *_read_back(export)]


def _entities(patients: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Subject of each case, and session if any patient has several cases."""
    subjects = {patient: _alphanumeric(patient) for patient in patients.values()}
    sessions = {case: _alphanumeric(case) for case in patients}
    for kind, named in (("patients", subjects), ("cases", sessions)):
        for name, count in Counter(named.values()).items():
            if count > 1:
                raise UserError(
                    f"{count} {kind} would be called `{name}`",
                    expected="names that differ in letters and digits, as BIDS has no others",
                )
    several = max(Counter(patients.values()).values(), default=0) > 1
    return {
        case: {SUBJECT: subjects[patient]} | ({SESSION: sessions[case]} if several else {})
        for case, patient in patients.items()
    }


def _alphanumeric(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name) or "unnamed"


def _write_description(folder: Path, name: str, kind: str) -> None:
    content = {
        "Name": name,
        "BIDSVersion": _BIDS,
        "DatasetType": kind,
        "GeneratedBy": [{"Name": "remodal", "Version": __version__}],
    }
    write_json(folder / "dataset_description.json", content)


def _write_top(export: _Export) -> None:
    """README, the subjects and their groups, and what is no part of BIDS: CT."""
    settings, splits = export.study.settings, export.study.splits
    text = f"{settings.title}\n\nExported by remodal. The masks are in derivatives/{MASKS}.\n"
    write_text(export.folder / "README", text)
    groups = splits.get("groups", {})
    rows = {f"{SUBJECT}-{e[SUBJECT]}": groups.get(c) or "n/a" for c, e in export.entities.items()}
    lines = ["participant_id\tgroup", *(f"{name}\t{group}" for name, group in rows.items())]
    write_text(export.folder / "participants.tsv", "\n".join(lines) + "\n")
    if any(name.suffix == "ct" for name in export.names.values()):
        write_text(export.folder / ".bidsignore", "*_ct.nii.gz\n")


def _write_images(export: _Export, data: Path) -> int:
    """Link or copy images and labels; the number of labels."""
    splits, count = export.study.splits, 0
    masks = export.folder / "derivatives" / MASKS
    _write_description(masks, "Masks drawn by hand", "derivative")
    values = export.study.settings.data.classes
    _write_classes(masks, _MANUAL, {one: name for name in values for one in values[name]})
    cases = export.entities
    for case in progress(cases, "Exporting", total=len(cases)):
        folder = converted_folder(data, case)
        for modality in splits["modalities"][case]:
            if modality in export.names:
                image = export.file(case, export.names[modality])
                link_or_copy(folder / f"{modality}.nii.gz", image)
        for modality in splits["labels"][case]:
            if modality in export.names:
                label = export.file(case, export.label(modality, _MANUAL), MASKS)
                link_or_copy(folder / f"{label_name(modality)}.nii.gz", label)
                count += 1
    return count


def _write_predictions(export: _Export, study: Path, method: str) -> int:
    """Link or copy what a method predicted of cases with their own images; the number of folders.

    A prediction lies on the image that is segmented or, where the images of a case share one truth,
    on the one that its registration kept.
    """
    settings, count = export.study.settings, 0
    present = export.study.splits["modalities"]
    for training in settings.trainings(method):
        for scenario in settings.scenarios_of(method):
            folder = prediction_folder(study, training, scenario)
            index = folder / "predictions.json"
            cases = read_json(index)["cases"] if index.is_file() else {}
            if not cases:
                continue
            pipeline, target = f"{training.job}-{scenario}", settings.target_of(scenario)
            made = export.folder / "derivatives" / pipeline
            _write_description(made, f"{method}, {training.run}, {scenario}", "derivative")
            _write_classes(made, _PREDICTED, dict(enumerate(settings.data.classes, 1)))
            for case in cases:
                image = target or settings.registration.reference(present[case])
                name = export.label(settings.data.original(image), _PREDICTED)
                link_or_copy(prediction_file(folder, case), export.file(case, name, pipeline))
            count += 1
    return count


def _write_classes(folder: Path, description: str, classes: Mapping[int, str]) -> None:
    """What the values of a folder's segmentations mean."""
    lines = ["index\tname", *(f"{value}\t{name}" for value, name in sorted(classes.items()))]
    write_text(folder / f"desc-{description}_dseg.tsv", "\n".join(lines) + "\n")


def _read_back(export: _Export) -> list[str]:
    """Section `data` of a study that reads the data set, in YAML."""
    data = export.study.settings.data
    labelled = {modality for drawn in export.study.splits["labels"].values() for modality in drawn}
    images = ", ".join(f"{modality}: {name}" for modality, name in export.names.items())
    labels = ", ".join(f"{m}: {export.label(m, _MANUAL)}" for m in export.names if m in labelled)
    group = ", group: group" if any(export.study.splits.get("groups", {}).values()) else ""
    modalities = ", ".join(export.names)
    return [
        f"  data: {{source: bids, folder: {export.folder}, modalities: [{modalities}],",
        f"    truth: {data.truth}, options: {{bids: {{pipeline: {MASKS}{group},",
        f"      images: {{{images}}},",
        f"      labels: {{{labels}}}}}}}}}",
    ]
