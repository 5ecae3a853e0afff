"""DICOM as a scanner would send it.

All identifiers come from the seed and all dates are fixed, so the same patient gives the same
bytes. File names are in no particular order, as in exports from a PACS, unless they are numbered.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from remodal.geometry.volume import Volume
from remodal.phantom.scanner import HU_RANGE
from remodal.results.files import explain, sha256

EQUIPMENT = {
    "Manufacturer": "remodal",
    "ManufacturerModelName": "Simulated CT",
    "DeviceSerialNumber": "0",
    "SoftwareVersions": "1",
}
_DAY = datetime(2021, 1, 4, 8, 0, 0)


@dataclass(frozen=True)
class Examination:
    """What the series of one study share.

    Attributes:
        identity: source of every identifier; a different identity gives different UIDs.
        patient: pseudonym.
        sex: F or M.
        age: in years.
        agent_volume: contrast agent in ml.
        started: when the contrast injection starts.
        scope: what is scanned, in words.
    """

    identity: str
    patient: str
    sex: str
    age: int
    agent_volume: int
    started: datetime = field(default=_DAY)
    scope: str = "two phases"

    def uid(self, *parts: str) -> str:
        """The UID of something in this study; the same parts always give the same UID."""
        return generate_uid(entropy_srcs=[self.identity, *parts])

    @property
    def hospital_number(self) -> str:
        """The patient's number in the hospital, which the pipeline must not pass on."""
        return "SIM" + hashlib.sha256(self.identity.encode()).hexdigest()[:8].upper()


@dataclass(frozen=True)
class SeriesDescription:
    """What one series is.

    Attributes:
        modality: arterial or venous.
        number: series number.
        delay: seconds from the start of the injection.
        from_head: whether axial slices are numbered from the head, or from the feet.
        numbered_files: whether files are named by the slices' numbers, as NBIA's retriever does.
    """

    modality: str
    number: int
    delay: float
    from_head: bool = True
    numbered_files: bool = False


def draw_examination(
    identity: str, patient: str, index: int, rng: np.random.Generator
) -> Examination:
    """Draw an examination on the fixed day, at its own time."""
    return Examination(
        identity,
        patient,
        "FM"[int(rng.integers(2))],
        int(rng.integers(24, 86)),
        int(rng.integers(80, 131)),
        _DAY + timedelta(minutes=15 * (index % 40)),
    )


def _put(dataset: Dataset, values: dict) -> None:
    for name, value in values.items():
        setattr(dataset, name, value)


def dicom_time(moment: datetime) -> str:
    """A time of day as DICOM has it."""
    return moment.strftime("%H%M%S.%f")


def _number(value: float) -> str:
    """Decimal string (at most 16 characters) that does not round an already rounded number."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _cosines(values: Iterable[float]) -> list[str]:
    """Direction cosines as decimal strings (at most 16 characters)."""
    return [f"{value:.12f}".rstrip("0").rstrip(".") for value in values]


def _series_template(
    examination: Examination, series: SeriesDescription, volume: Volume
) -> Dataset:
    """Everything that the slices of a CT series share (CT Image IOD, PS3.3 A.3)."""
    dataset = Dataset()
    for values in (
        EQUIPMENT,
        _who(examination),
        _series_and_study(examination, series, volume),
        _acquisition(volume, examination.scope),
        _contrast(examination),
        _pixels(volume),
    ):
        _put(dataset, values)
    return dataset


def _who(examination: Examination) -> dict:
    """Patient and Patient Study modules (PS3.3 C.7.1.1, C.7.2.2)."""
    return {
        "PatientName": f"Simulated^{examination.hospital_number}",
        "PatientID": examination.hospital_number,
        "PatientBirthDate": "",
        "PatientSex": examination.sex,
        "PatientAge": f"{examination.age:03d}Y",
        "ReferringPhysicianName": "",
        "AccessionNumber": "",
    }


def _series_and_study(examination: Examination, series: SeriesDescription, volume: Volume) -> dict:
    """Study, Series, Frame of Reference and SOP Common modules (PS3.3 C.7.2 to C.7.4, C.12.1)."""
    scanned = examination.started + timedelta(seconds=series.delay)
    day, time = scanned.strftime("%Y%m%d"), dicom_time(scanned)
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": CTImageStorage,
        "StudyDate": day,
        "SeriesDate": day,
        "AcquisitionDate": day,
        "ContentDate": day,
        "StudyTime": dicom_time(examination.started - timedelta(minutes=3)),
        "SeriesTime": time,
        "AcquisitionTime": time,
        "ContentTime": time,
        "StudyDescription": f"CT abdomen, {examination.scope}, simulated",
        "SeriesDescription": f"Abdomen {series.modality} {volume.geometry.spacing[2]:g} mm",
        "StudyInstanceUID": examination.uid("study"),
        "SeriesInstanceUID": examination.uid("series", series.modality),
        "StudyID": "1",
        "SeriesNumber": str(series.number),
        "AcquisitionNumber": str(series.number),
        "FrameOfReferenceUID": examination.uid("frame of reference"),
        "PositionReferenceIndicator": "",
    }


def _acquisition(volume: Volume, scope: str) -> dict:
    """General Image and CT Image modules (PS3.3 C.7.6.1, C.8.2.1): a helical scan, head first."""
    spacing = volume.geometry.spacing
    along, down, across = np.reshape(volume.geometry.direction, (3, 3)).T
    axial = abs(across[2]) > abs(across[:2]).max()
    return {
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"] if axial else ["DERIVED", "SECONDARY", "MPR"],
        "BodyPartExamined": "ABDOMEN",
        "ProtocolName": f"Abdomen {scope}",
        "PatientPosition": "HFS",
        "ImageOrientationPatient": _cosines([*along, *down]),
        "ScanOptions": "HELICAL MODE",
        "SliceThickness": _number(spacing[2]),
        "KVP": "120",
        "ExposureTime": "500",
        "XRayTubeCurrent": "240",
        "Exposure": "120",
        "GantryDetectorTilt": "0",
        "RotationDirection": "CW",
        "DataCollectionDiameter": "500",
        "ReconstructionDiameter": _number(spacing[0] * volume.geometry.shape[2]),
        "ConvolutionKernel": "SOFT",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
    }


def _contrast(examination: Examination) -> dict:
    """Contrast/Bolus module (PS3.3 C.7.6.4): an injection of iodine at 3.5 ml per second."""
    rate = 3.5
    duration = examination.agent_volume / rate
    return {
        "ContrastBolusAgent": "Iodinated contrast 350 mg/ml",
        "ContrastBolusRoute": "Intravenous",
        "ContrastBolusVolume": str(examination.agent_volume),
        "ContrastBolusStartTime": dicom_time(examination.started),
        "ContrastBolusStopTime": dicom_time(examination.started + timedelta(seconds=duration)),
        "ContrastBolusTotalDose": str(examination.agent_volume),
        "ContrastFlowRate": _number(rate),
        "ContrastFlowDuration": f"{duration:.1f}",
        "ContrastBolusIngredient": "IODINE",
        "ContrastBolusIngredientConcentration": "350",
    }


def _pixels(volume: Volume) -> dict:
    """Image Pixel, VOI LUT and rescale: 12 of 16 bits, unsigned, HU = stored - 1024."""
    _, rows, columns = volume.geometry.shape
    spacing = volume.geometry.spacing
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": [_number(spacing[1]), _number(spacing[0])],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": "50",
        "WindowWidth": "400",
        "RescaleIntercept": str(HU_RANGE[0]),
        "RescaleSlope": "1",
        "RescaleType": "HU",
    }


def write_series(
    folder: Path, volume: Volume, examination: Examination, series: SeriesDescription
) -> tuple[list[Dataset], str]:
    """Write a volume as a CT series, one file per slice.

    Args:
        folder: replaced as a whole; gets one .dcm file per slice.
        volume: HU, int16 (slice, row, column), right-handed.
        examination: the study.
        series: which of its series.

    Returns:
        The slices' headers in the order of the array, and one SHA-256 of all files: the one that
        the conversion records (intake.dicom).
    """
    template = _series_template(examination, series, volume)
    stored = (volume.array - HU_RANGE[0]).astype("<u2")
    datasets, digests = [], []
    with _whole_folder(Path(folder)) as temporary:
        for k in range(len(stored)):
            dataset = _slice(template, volume, examination.uid("image", series.modality, str(k)), k)
            number = len(stored) - k if series.from_head else k + 1
            dataset.InstanceNumber = str(number)
            dataset.PixelData = stored[k].tobytes()
            name = hashlib.sha256(dataset.SOPInstanceUID.encode()).hexdigest()[:12] + ".dcm"
            name = f"1-{number:03d}.dcm" if series.numbered_files else name
            dataset.save_as(temporary / name, enforce_file_format=True)
            digests.append(sha256(temporary / name))
            datasets.append(dataset)
    return datasets, hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _slice(template: Dataset, volume: Volume, uid: str, k: int) -> Dataset:
    """Header of slice `k` of the array."""
    first = volume.geometry.affine @ [0, 0, k, 1]
    across = np.reshape(volume.geometry.direction, (3, 3))[:, 2]
    dataset = Dataset()
    dataset.update(template)
    values = {
        "SOPInstanceUID": uid,
        "ImagePositionPatient": [_number(place) for place in first[:3]],
        "SliceLocation": _number(first[:3] @ across),
    }
    _put(dataset, values)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder that replaces `folder` if the block succeeds."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as temporary:
            fresh = Path(temporary) / folder.name
            fresh.mkdir()
            yield fresh
            if folder.exists():
                folder.rename(Path(temporary) / "replaced")
            fresh.rename(folder)
    except OSError as error:
        raise explain(error, folder) from error
