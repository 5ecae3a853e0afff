"""DICOM series written by pydicom, as the oracle of what the readers should find."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from tests.dicom_series import SECRETS, slice_dataset

from remodal.geometry.volume import Geometry, Volume, from_sitk


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
            dataset = slice_dataset(volume.array[index], volume.geometry, index, uids)
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
def dcm2niix_files(tmp_path_factory) -> Callable[[Path], list[Path]]:
    """A function that converts a series with dcm2niix, an independent reader."""
    executable = pytest.importorskip("dcm2niix").bin

    def convert(folder: Path) -> list[Path]:
        output = tmp_path_factory.mktemp("dcm2niix")
        command = [executable, "-b", "n", "-z", "y", "-f", "peer", "-o", output, folder]
        subprocess.run(command, check=True, capture_output=True)
        return sorted(output.glob("*.nii.gz"))

    return convert


@pytest.fixture
def dcm2niix(dcm2niix_files) -> Callable[[Path], Volume]:
    """A function that reads a series with dcm2niix, in LPS order."""

    def read(folder: Path) -> Volume:
        (file,) = dcm2niix_files(folder)
        return from_sitk(sitk.DICOMOrient(sitk.ReadImage(str(file)), "LPS"))

    return read
