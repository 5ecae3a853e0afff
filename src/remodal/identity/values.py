"""The identifying values of DICOM sources: read again when they are wanted, never stored."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import BadCase, UserError
from remodal.intake.headers import is_dicom, looks_like_dicom, quiet_pydicom
from remodal.intake.source_files import files_of, is_there, path_and_number
from remodal.process.progress import progress

if TYPE_CHECKING:
    from pydicom import Dataset

NAME, NUMBER, DATE, UID, TEXT = "name", "number", "date", "uid", "text"

#: Attributes that tell a patient, an examination or who treated them, and how each is written
#: (DICOM PS3.15, table E.1-1, gives more; these are the ones that scanners and PACS fill in).
KINDS = {
    "PatientName": NAME,
    "OtherPatientNames": NAME,
    "PatientBirthName": NAME,
    "PatientMotherBirthName": NAME,
    "ResponsiblePerson": NAME,
    "ReferringPhysicianName": NAME,
    "PerformingPhysicianName": NAME,
    "NameOfPhysiciansReadingStudy": NAME,
    "PhysiciansOfRecord": NAME,
    "RequestingPhysician": NAME,
    "OperatorsName": NAME,
    "PatientID": NUMBER,
    "OtherPatientIDs": NUMBER,
    "AccessionNumber": NUMBER,
    "AdmissionID": NUMBER,
    "StudyID": NUMBER,
    "DeviceSerialNumber": NUMBER,
    "PatientTelephoneNumbers": NUMBER,
    "PatientBirthDate": DATE,
    "StudyDate": DATE,
    "SeriesDate": DATE,
    "AcquisitionDate": DATE,
    "ContentDate": DATE,
    "StudyInstanceUID": UID,
    "SeriesInstanceUID": UID,
    "SOPInstanceUID": UID,
    "FrameOfReferenceUID": UID,
    "InstitutionName": TEXT,
    "InstitutionAddress": TEXT,
    "InstitutionalDepartmentName": TEXT,
    "PatientAddress": TEXT,
    "StationName": TEXT,
}
_SEQUENCES = ("OtherPatientIDsSequence", "DirectoryRecordSequence")
_TELL_DICOM = ("SOPClassUID", "Modality", "Rows")

#: Values by attribute.
Values = dict[str, set[str]]


@dataclass(frozen=True)
class Known:
    """What the sources say about whose they are.

    Attributes:
        values: the identifying values.
        unread: DICOM files whose tags could not be read, or not all of them.
        missing: sources that are not there, or are empty folders.
    """

    values: Values
    unread: list[Path]
    missing: list[Path]


def identifying_values(sources: Iterable[Path]) -> Known:
    """What the DICOM files of the sources say about whose they are.

    Other files than DICOM have no such attributes and are passed over.

    Raises:
        UserError: no DICOM file is there, so that nothing could be searched for.
    """
    values: Values = defaultdict(set)
    files: dict[Path, None] = {}
    unread, missing = [], []
    for source in sources:
        try:
            files |= dict.fromkeys(_files(source))
        except BadCase:
            missing.append(source)
    for file in progress(list(files), "Reading tags", total=len(files)):
        try:
            for keyword, value in _values_of_file(file):
                values[keyword].add(value)
        except Exception:
            # Damage can make pydicom raise anything.
            unread.append(file)
    if not any(values.values()):
        raise UserError(
            "no DICOM file with identifying tags is among the sources",
            expected="the files that the study was made of",
            remedy="name a folder of them with --from",
        )
    return Known(dict(values), unread, missing)


def _files(source: Path) -> Iterator[Path]:
    """The files of a source that may be DICOM; in a folder also such as do not say so.

    Raises:
        BadCase: there are none.
    """
    if not is_there(source):
        raise BadCase("is not there", where=str(source))
    folder = path_and_number(source)[0]
    for file in files_of(folder):
        if file.is_file() and (folder.is_dir() or is_dicom(file)):
            yield file


def _values_of_file(file: Path) -> Iterator[tuple[str, str]]:
    """The values of a file; none, if it is no DICOM.

    Raises:
        Exception: it is DICOM, but damaged.
    """
    import pydicom

    wanted = [*KINDS, *_SEQUENCES, *_TELL_DICOM]
    with quiet_pydicom():
        declared = is_dicom(file)
        try:
            dataset = pydicom.dcmread(
                file, stop_before_pixels=True, specific_tags=wanted, force=True
            )
            recognised = declared or looks_like_dicom(dataset)
        except Exception as error:
            if declared or (isinstance(error, OSError) and error.errno is not None):
                raise
            return
        if recognised:
            yield from _values(dataset)


def _values(dataset: "Dataset") -> Iterator[tuple[str, str]]:
    """The values of an object and of the items of its sequences, each of several by itself."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _values(item)
        elif element.keyword in KINDS and element.value:
            several = element.value if element.VM > 1 else [element.value]
            yield from ((element.keyword, text) for one in several if (text := str(one).strip()))
