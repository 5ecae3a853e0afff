"""DICOM series written by pydicom, as the oracle of what the readers should find."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from remodal.geometry.volume import Geometry, Volume, from_sitk

SECRETS = ("Doe^Jane", "HOSPITAL-4711", "19551224", "Dr Who", "jane doe's liver")


def _dataset(plane: np.ndarray, geometry: Geometry, index: int, uids: dict[str, str]) -> Dataset:
    affine = geometry.affine
    direction = np.reshape(geometry.direction, (3, 3))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uids["study"], uids["series"]
    ds.FrameOfReferenceUID = uids["frame"]
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = SECRETS[:3]
    ds.PatientSex, ds.PatientAge = "F", "066Y"
    ds.StudyDate = ds.SeriesDate = SECRETS[2]
    ds.StudyTime, ds.StudyID, ds.AccessionNumber = "120000", "1", ""
    ds.ReferringPhysicianName, ds.SeriesDescription = SECRETS[3:]
    ds.Modality, ds.Manufacturer, ds.KVP = "CT", "ACME", "120"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesNumber, ds.InstanceNumber = 1, 1000 - index
    ds.ImagePositionPatient = [float(x) for x in (affine @ [0, 0, index, 1])[:3]]
    ds.ImageOrientationPatient = [float(x) for x in direction[:, :2].T.ravel()]
    ds.PixelSpacing = [geometry.spacing[1], geometry.spacing[0]]
    ds.SliceThickness = geometry.spacing[2]
    ds.Rows, ds.Columns = plane.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.PixelData = (plane.astype(int) + 1024).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


@pytest.fixture
def image() -> Volume:
    """A small CT with different numbers everywhere: 6 slices of 32 x 34, not oblique."""
    rng = np.random.default_rng(3)
    array = rng.integers(-1000, 1500, (6, 32, 34), dtype=np.int16)
    return Volume(array, Geometry((6, 32, 34), (0.7, 0.8, 2.5), (-101.5, 20.25, -333.0)))


@pytest.fixture
def write_series() -> Callable[..., list[Dataset]]:
    """A function that writes a series, each slice after `change(dataset, index)`."""

    def write(folder: Path, volume: Volume, change=None, skip=()) -> list[Dataset]:
        folder.mkdir(parents=True, exist_ok=True)
        uids = {name: generate_uid() for name in ("study", "series", "frame")}
        written = []
        for index in range(len(volume.array)):
            if index in skip:
                continue
            dataset = _dataset(volume.array[index], volume.geometry, index, uids)
            if change is not None:
                change(dataset, index)
            # Names in an order that has nothing to do with the place.
            name = f"Doe_Jane_{index * 7 % 11:02d}.dcm"
            dataset.save_as(folder / name, enforce_file_format=True)
            dataset.filename = folder / name
            written.append(dataset)
        return written

    return write


def _enhanced(slices: list[Dataset]) -> Dataset:
    whole = slices[0].copy()
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    whole.NumberOfFrames = len(slices)
    whole.PixelData = b"".join(one.PixelData for one in slices)
    shared = Dataset()
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing = whole.PixelSpacing
    plane.ImageOrientationPatient = whole.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    whole.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for one in slices:
        frame, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = one.ImagePositionPatient
        values.RescaleSlope, values.RescaleIntercept = 1, one.RescaleIntercept
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [values]
        frames.append(frame)
    whole.PerFrameFunctionalGroupsSequence = frames
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(whole, name)
    return whole


@pytest.fixture
def write_enhanced() -> Callable[[list[Dataset]], Dataset]:
    """A function that makes one enhanced multi-frame file of slices, frames in their order."""
    return _enhanced


@pytest.fixture
def secrets() -> tuple[str, ...]:
    """What identifies the patient of a written series."""
    return SECRETS


@pytest.fixture
def dcm2niix(tmp_path_factory) -> Callable[[Path], Volume]:
    """A function that reads a series with dcm2niix, an independent reader, in LPS order."""
    executable = pytest.importorskip("dcm2niix").bin

    def read(folder: Path) -> Volume:
        output = tmp_path_factory.mktemp("dcm2niix")
        command = [executable, "-b", "n", "-z", "y", "-f", "peer", "-o", output, folder]
        subprocess.run(command, check=True, capture_output=True)
        (file,) = output.glob("*.nii.gz")
        return from_sitk(sitk.DICOMOrient(sitk.ReadImage(str(file)), "LPS"))

    return read
