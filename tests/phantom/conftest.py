"""One small simulated patient, made once, and readers that are not ours."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets.phantom import PhantomOptions
from remodal.phantom.dicom_writer import draw_examination
from remodal.phantom.dual_phase import simulate_patient


@pytest.fixture(scope="session")
def settings() -> PhantomOptions:
    return PhantomOptions(
        cases=10,
        matrix=64,
        slices=(22, 24),
        slice_spacing=9.0,
        lesions=(2, 3),
        lesion_diameter=(30.0, 60.0),
        seed=7,
    )


@pytest.fixture
def volume() -> Volume:
    """A small volume at a place that no round numbers give."""
    grid = Geometry((5, 12, 10), (0.731251, 0.731251, 1.5), (-100.123, 20.456, -301.7))
    rng = np.random.default_rng(0)
    return Volume(rng.integers(-1024, 3072, grid.shape).astype(np.int16), grid)


@pytest.fixture
def examination():
    return draw_examination("identity", "patient001", 0, np.random.default_rng(0))


@pytest.fixture(scope="session")
def patient(settings, tmp_path_factory) -> Callable[[int], Path]:
    """Folder of the simulated case of a number."""
    root = tmp_path_factory.mktemp("patients")

    def folder(index: int) -> Path:
        path = root / str(index)
        if not path.exists():
            simulate_patient(settings, index, path)
        return path

    return folder


@pytest.fixture(scope="session")
def read_series() -> Callable[[Path], sitk.Image]:
    """A series as GDCM sorts and rescales it, or the file that stands in its place."""

    def read(folder: Path) -> sitk.Image:
        if not folder.is_dir():
            return sitk.ReadImage(f"{folder}.nii.gz")
        reader = sitk.ImageSeriesReader()
        names = reader.GetGDCMSeriesFileNames(str(folder))
        assert len(names) == len(list(folder.iterdir()))
        reader.SetFileNames(names)
        return reader.Execute()

    return read


@pytest.fixture(scope="session")
def read_labels() -> Callable[[Path, sitk.Image], np.ndarray]:
    """Label values (z, y, x) of a DICOM SEG on the grid of its series, by pydicom; or of a file."""

    def read(path: Path, image: sitk.Image) -> np.ndarray:
        if not path.exists():
            return sitk.GetArrayFromImage(sitk.ReadImage(str(path.with_suffix(".nii.gz"))))
        dataset = pydicom.dcmread(path)
        labels = np.zeros(image.GetSize()[::-1], np.uint8)
        for frame, pixels in zip(dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array):
            position = frame.PlanePositionSequence[0].ImagePositionPatient
            _, _, k = image.TransformPhysicalPointToIndex([float(p) for p in position])
            number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            assert not labels[k][pixels > 0].any(), "segments overlap"
            labels[k][pixels > 0] = number
        return labels

    return read


@pytest.fixture(scope="session")
def details() -> Callable[[Path], dict]:
    """The content of a patient's record."""
    return lambda folder: json.loads((folder / "record.json").read_text())["details"]
