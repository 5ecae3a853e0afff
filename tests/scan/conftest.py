"""Exports of a PACS, written by pydicom itself."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from remodal.scan.choosing import Choice, choose
from remodal.scan.grouping import Examination, examinations
from remodal.scan.index import index_files
from remodal.scan.kinds import judge
from remodal.scan.modalities import parse_modalities
from remodal.scan.walking import walk

STORAGE = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
SIZE = 12


def slice_of(index: int, values: Mapping) -> Dataset:
    """A slice whose place is `index` times the step; `values` replace its elements."""
    step = values.get("step", 2.5)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Modality = values.get("Modality", "CT")
    dataset.SOPClassUID = STORAGE.get(dataset.Modality, STORAGE["OT"])
    dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID, dataset.PatientName = "HOSPITAL-4711", "Doe^Jane"
    dataset.StudyInstanceUID, dataset.StudyDate = "1.2.3.4", "20200102"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
    dataset.ImagePositionPatient = [0, 0, index * step]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.8, 0.8], step
    dataset.Rows = dataset.Columns = SIZE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    for keyword, value in values.items():
        if keyword != "step":
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    plane = np.random.default_rng(index).integers(0, 2000, (dataset.Rows, dataset.Columns))
    dataset.PixelData = plane.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


@pytest.fixture
def write(tmp_path) -> Callable[..., list[Path]]:
    """A function that writes a series into `export` and returns its files in the slices' order."""
    written = []

    def write_series(slices: int = 10, change=None, folder: str = "", **values) -> list[Path]:
        uid = {"SeriesInstanceUID": values.pop("SeriesInstanceUID", None) or generate_uid()}
        parent = tmp_path / "export" / folder
        parent.mkdir(parents=True, exist_ok=True)
        files = []
        for index in range(slices):
            dataset = slice_of(index, uid | values)
            if change is not None:
                change(dataset, index)
            # Names tell nothing, and sort otherwise than the places.
            files.append(parent / f"{len(written) * 7919 % 10007:05d}")
            written.append(files[-1])
            dataset.save_as(files[-1], enforce_file_format=True)
        return files

    return write_series


@pytest.fixture
def write_enhanced(tmp_path) -> Callable[..., Path]:
    """A function that writes an enhanced CT into `export`, a frame at each place (mm)."""

    def write_file(places: list[float]) -> Path:
        dataset = slice_of(0, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"})
        dataset.SeriesInstanceUID = generate_uid()
        dataset.NumberOfFrames = len(places)
        dataset.PixelData = dataset.PixelData * len(places)
        shared, measures, plane = Dataset(), Dataset(), Dataset()
        measures.PixelSpacing = dataset.PixelSpacing
        plane.ImageOrientationPatient = dataset.ImageOrientationPatient
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
        dataset.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for place in places:
            frame, position = Dataset(), Dataset()
            position.ImagePositionPatient = [0, 0, place]
            frame.PlanePositionSequence = [position]
            frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = frames
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(dataset, keyword)
        file = tmp_path / "export" / "enhanced"
        file.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(file, enforce_file_format=True)
        return file

    return write_file


@pytest.fixture
def found(tmp_path) -> Callable[[], list[Examination]]:
    """A function that gives the examinations of `export`."""

    def find() -> list[Examination]:
        listed = walk(tmp_path / "export", tmp_path / "own")
        return examinations(index_files(listed.files, tmp_path / "own" / "index.jsonl", 1))

    return find


@pytest.fixture
def chosen(found) -> Callable[..., dict[str, Choice]]:
    """A function that gives the choices of the one examination by the series' numbers."""

    def choices(modalities: str = "arterial,venous", phases_in: str = "CT", measured=()) -> dict:
        (examination,) = found()
        judged = [judge(volume) for volume in examination.volumes]
        wanted = parse_modalities(modalities)
        all_of = choose(examination, judged, wanted, phases_in, dict(measured))
        return {one.volume.get("SeriesNumber"): one for one in all_of}

    return choices
