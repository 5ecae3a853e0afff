"""A whole sheet of patients, one file each, in a folder."""

import hashlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from remodal.errors import BadCase, FaultOfOurs, UserError, concerns_one_case
from remodal.intake.sheet import Image, read_sheet
from remodal.intake.source_files import states_of_files
from remodal.prediction.ensemble import Ensemble
from remodal.prediction.formats import FORMATS
from remodal.prediction.measuring import as_rows, failed_row, write_measurements
from remodal.prediction.outputs import Outputs
from remodal.prediction.patient import Patient, segment
from remodal.prediction.placing import require_masks
from remodal.process.progress import progress
from remodal.results.files import read_json, write_json

#: Folder of the records of finished cases, in the folder of the results.
_RECORDS = ".finished"
#: How it went with a case.
_MADE, _FINISHED, _BAD, _FAULT = "made", "finished before", "bad", "fault"


class _Done(NamedTuple):
    """How it went with a case, and its rows of the table."""

    how: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """What is to be made of each case.

    Attributes:
        folder: gets `<case><format>`, and what the other fields name.
        format: one of `FORMATS`.
        target: the image to segment, for models whose images each have a truth of their own.
        uncertainty: folder of the uncertainty maps, `<case>.nii.gz`.
        report: folder of the pages, `<case>.html`.
        measurements: one table (CSV) of all cases.
    """

    folder: Path
    format: str = ".nii.gz"
    target: str = ""
    uncertainty: Path | None = None
    report: Path | None = None
    measurements: Path | None = None

    def outputs(self, case: str) -> Outputs:
        """The files of one case."""
        return Outputs(
            segmentation=self.folder / f"{case}{self.format}",
            uncertainty=self.uncertainty and self.uncertainty / f"{case}.nii.gz",
            report=self.report and self.report / f"{case}.html",
        )

    def record(self, case: str) -> Path:
        """What a finished case was made from."""
        return self.folder / _RECORDS / f"{case}.json"


def predict_cases(ensemble: Ensemble, sheet: Path, wanted: Wanted) -> None:
    """Segment every case of a sheet.

    A case that an earlier call finished, from the same files by the same models, is not made again.
    A case that cannot be used is said on standard error in one line, and the others go on.

    Args:
        ensemble: the models.
        sheet: sample sheet; of its columns `case`, `modality`, `path` and `mask` are used, and of
            its lines those of images that the models know.
        wanted: what to write.

    Raises:
        UserError: a wrong sheet or format, or a mask that the models need is missing in all cases.
        BadCase: after all others, if some cases could not be used.
        FaultOfOurs: after all others, if a case met one.
        EnvironmentProblem: full disk, no permission.
    """
    if wanted.format not in FORMATS:
        raise UserError(
            "unknown format", where=f"--format {wanted.format}", expected=f"{', '.join(FORMATS)}"
        )
    patients = _patients(sheet, ensemble.description, wanted.target)
    _require_masks(ensemble, patients, sheet)
    done: list[_Done] = []
    for patient in progress(patients, "Segmenting", total=len(patients)):
        done.append(_made(ensemble, patient, wanted))
    if wanted.measurements:
        write_measurements(wanted.measurements, [row for one in done for row in one.rows])
    _say(Counter(one.how for one in done), sheet)


def _say(tally: Mapping[str, int], sheet: Path) -> None:
    """Say how it went with all cases; raise if some failed."""
    count = sum(tally.values())
    earlier = f", {tally[_FINISHED]} were finished before" if tally[_FINISHED] else ""
    print(f"remodal: {tally[_MADE]} of {count} cases segmented{earlier}", file=sys.stderr)
    if tally[_FAULT]:
        cases = "1 case" if tally[_FAULT] == 1 else f"{tally[_FAULT]} cases"
        raise FaultOfOurs(f"{cases} met a fault of ours; see the tracebacks above")
    if tally[_BAD]:
        raise BadCase(
            f"{tally[_BAD]} of {count} cases could not be segmented: see the lines above",
            where=str(sheet),
            remedy="mend them and give the same command again; finished cases are not made again",
        )


def _patients(sheet: Path, description: Mapping[str, Any], target: str) -> list[Patient]:
    """The cases of a sheet with those of their images that the models know."""
    images: dict[str, dict[str, Image]] = {}
    for image in read_sheet(sheet, description["data"]["modalities"], "image"):
        images.setdefault(image.case, {})[image.modality] = image
    # A sheet names no image twice: copies of images are those that they are copies of.
    copies = description["data"].get("copies") or {}
    patients = []
    for case, found in images.items():
        known = {
            name: found.get(name) or found.get(copies.get(name, name))
            for name in description["modalities"]
        }
        there = {name: image for name, image in known.items() if image}
        masks = {name: image.mask for name, image in there.items() if image.mask}
        paths = {name: image.path for name, image in there.items()}
        patients.append(Patient(paths, masks, target, case))
    return patients


def _require_masks(ensemble: Ensemble, patients: Sequence[Patient], sheet: Path) -> None:
    """Check that some case has the masks that the models need; a case without gets its own line.

    Raises:
        UserError: no case has them, as when the sheet has no column for them.
    """
    missing = [_missing_mask(ensemble, patient) for patient in patients if patient.images]
    if missing and all(missing):
        raise UserError(
            f"no case has its masks: {missing[0].what}",
            where=str(sheet),
            expected="the path of each image's mask in column `mask`",
        )


def _missing_mask(ensemble: Ensemble, patient: Patient) -> UserError | None:
    try:
        require_masks(patient.masks, patient.images, ensemble.registration, ensemble.preprocessing)
    except UserError as error:
        return error
    return None


def _made(ensemble: Ensemble, patient: Patient, wanted: Wanted) -> _Done:
    """Segment a case unless that is done, and say how it went; errors of one case are printed."""
    outputs, record = wanted.outputs(patient.name), wanted.record(patient.name)
    made_from = _made_from(ensemble, patient)
    if _is_finished(record, outputs, made_from):
        return _Done(_FINISHED, read_json(record)["rows"])
    for file in (record, *outputs.files):
        file.unlink(missing_ok=True)
    try:
        # Two bars at once are not drawn.
        found = segment(ensemble, patient, outputs, track=lambda windows, description: windows)
    except Exception as error:
        if isinstance(error, BadCase | UserError):
            print(f"remodal: {patient.name}: {error}", file=sys.stderr)
            return _Done(_BAD, [failed_row(patient.name, error.what)])
        if not concerns_one_case(error):
            raise
        print(f"remodal: {patient.name}: a fault of ours", file=sys.stderr)
        traceback.print_exc()
        return _Done(_FAULT, [failed_row(patient.name, "a fault of ours")])
    rows = as_rows(patient.name, found.measurements)
    files = [str(file) for file in outputs.files]
    write_json(record, {"made_from": made_from, "files": files, "rows": rows})
    return _Done(_MADE, rows)


def _is_finished(record: Path, outputs: Outputs, made_from: str) -> bool:
    """Whether all files of a case are there, from the same images by the same models."""
    if not record.is_file():
        return False
    content = read_json(record)
    written = {*content["files"]}
    there = all(str(file) in written and file.is_file() for file in outputs.files)
    return there and content["made_from"] == made_from


def _made_from(ensemble: Ensemble, patient: Patient) -> str:
    """Digest of what a case is segmented from: the models, the images, the masks, the target."""
    sources = patient.images | {f"mask of {name}": path for name, path in patient.masks.items()}
    states = {name: [str(path), *states_of_files(path)] for name, path in sorted(sources.items())}
    content = json.dumps([ensemble.digest, patient.target, states])
    return hashlib.sha256(content.encode()).hexdigest()
