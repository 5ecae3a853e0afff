"""The identifying values of DICOM sources: read again when they are wanted, never stored."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.headers import is_dicom, quiet_pydicom
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
_SEQUENCES = ("OtherPatientIDsSequence",)

#: Values by attribute.
Values = dict[str, set[str]]


def identifying_values(sources: Iterable[Path]) -> Values:
    """What the DICOM files of the sources say about whose they are, by attribute.

    Other files than DICOM have no such attributes and are passed over, as are sources that are not
    there.

    Raises:
        UserError: no DICOM file is there, so that nothing could be searched for.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    found: Values = defaultdict(set)
    files = list(dict.fromkeys(_files(sources)))
    for file in progress(files, "Reading tags", total=len(files)):
        try:
            with quiet_pydicom():
                dataset = pydicom.dcmread(
                    file, stop_before_pixels=True, specific_tags=[*KINDS, *_SEQUENCES]
                )
                for keyword, value in _values(dataset):
                    found[keyword].add(value)
        except (InvalidDicomError, OSError, ValueError, KeyError, NotImplementedError):
            # A damaged header: what it still says cannot have got into any result either.
            continue
    if not any(found.values()):
        raise UserError(
            "no DICOM file with identifying tags is among the sources",
            expected="the files that the study was made of",
            remedy="name a folder of them with --from",
        )
    return dict(found)


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if is_there(source):
            folder = path_and_number(source)[0]
            yield from (f for f in files_of(folder) if f.is_file() and is_dicom(f))


def _values(dataset: "Dataset") -> Iterator[tuple[str, str]]:
    """The values of an object and of the items of its sequences, each of several by itself."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _values(item)
        elif element.keyword in KINDS and element.value:
            several = element.value if element.VM > 1 else [element.value]
            yield from ((element.keyword, text) for one in several if (text := str(one).strip()))
