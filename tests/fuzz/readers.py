"""Other readers of the same mutants: pydicom alone, SimpleITK, or the bytes themselves."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

#: Of a SEG or RTSTRUCT: what its voxels do not depend on.
_OF_NO_EFFECT = {
    *("PatientName", "PatientID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("Modality", "PixelRepresentation", "HighBit", "BitsStored", "NumberOfFrames"),
    *("SamplesPerPixel", "SOPClassUID"),
}


def planes_of_series(folder: Path) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Position and values of each slice that pydicom reads; None if it cannot."""
    found = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for file in folder.iterdir():
                dataset = pydicom.dcmread(file, force=True)
                if "PixelData" in dataset:
                    found += _planes(dataset)
    except Exception:  # whatever pydicom raises of damage
        return None
    return found


def _planes(dataset: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        if "ImagePositionPatient" in dataset:
            place = np.array(dataset.ImagePositionPatient, float)
            yield place, _scaled(dataset.pixel_array, dataset)
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame, stored in zip(frames, dataset.pixel_array):
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        scale = shared.get("PixelValueTransformationSequence") or [Dataset()]
        yield np.array(place, float), _scaled(stored, scale[0])


def _scaled(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    slope = float(dataset.get("RescaleSlope") or 1)
    return stored * slope + float(dataset.get("RescaleIntercept") or 0)


def voxels_of_file(file: Path) -> np.ndarray | None:
    """What SimpleITK reads; None if it cannot."""
    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    except RuntimeError:
        return None


def same_drawing(first: bytes, second: bytes, folder: Path) -> bool:
    """Whether two SEGs or RTSTRUCTs say the same about voxels, as pydicom reads them."""
    return _content(first, folder) == _content(second, folder)


def _content(data: bytes, folder: Path) -> dict | None:
    file = folder / "compared.dcm"
    file.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _values(pydicom.dcmread(file))
    except Exception:  # as above
        return None
    finally:
        file.unlink()


def _values(dataset: Dataset) -> dict:
    return {
        element.tag: [_values(item) for item in element.value]
        if element.VR == "SQ"
        else str(element.value)
        for element in dataset
        if element.keyword and element.keyword not in _OF_NO_EFFECT
    }
