"""Series as scanners send them, and readers of labels that are not ours."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import polygon2mask
from tests.orientations import BY_CODE, rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.dicom import read_series
from remodal.intake.label_source import parse_label
from remodal.intake.labels import read_label
from remodal.phantom.dicom_writer import SeriesDescription, draw_examination, write_series

#: In LPS order, at a place that no round numbers give.
_GRID = Geometry((14, 20, 24), (0.731251, 0.913, 2.5), (-100.123, 20.456, -301.7))
#: The same patient as several scanners store it; all are right-handed.
GRIDS = {
    "axial": _GRID,
    "axial from the head": BY_CODE["RPI"].of(_GRID),
    "coronal": BY_CODE["LIP"].of(_GRID),
    "sagittal from the left": BY_CODE["AIL"].of(_GRID),
    "oblique": tilted(_GRID, rotation(14.0, -9.0, 21.0)),
}


def write_patient(folder: Path, grid: Geometry, modality: str = "venous", name: str = "") -> Path:
    """A CT series of smooth noise; returns its folder."""
    generator = np.random.default_rng(3)
    array = ndimage.gaussian_filter(generator.normal(40, 300, grid.shape), 1).astype(np.int16)
    examination = draw_examination("identity", name or "patient001", 0, generator)
    series = SeriesDescription(modality, 3, 70.0)
    write_series(folder, Volume(array, grid), examination, series)
    return folder


def blobs(grid: Geometry) -> Volume:
    """Class indices 0 to 2: holes, single pixels, diagonal neighbours, voxels at borders."""
    generator = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(generator.normal(size=grid.shape), 1.5)
    array = np.zeros(grid.shape, np.uint8)
    array[smooth > 0.1] = 1
    array[ndimage.gaussian_filter(generator.normal(size=grid.shape), 1) > 0.25] = 2
    middle = np.array(grid.shape) // 2
    box = tuple(slice(at - 4, at + 5) for at in middle)
    array[box] = 1
    array[middle[0] - 2 : middle[0] + 3, middle[1] - 2 : middle[1] + 3, middle[2]] = 0
    array[0, :3, :3] = np.eye(3) * 2
    array[:, 0, 0] = 1
    return Volume(array, grid)


def read_image(folder: Path) -> sitk.Image:
    """A series as GDCM sorts it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def points_of_seg(path: Path) -> dict[int, np.ndarray]:
    """Where the voxels of each segment lie, (n, 3) in LPS mm, by pydicom alone."""
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    along, down = orientation.reshape(2, 3)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    found: dict[int, list[np.ndarray]] = {}
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for frame, mask in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(mask)
        places = origin + np.outer(columns * between_columns, along)
        places += np.outer(rows * between_rows, down)
        of_frame = frame if "SegmentIdentificationSequence" in frame else shared
        number = of_frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found.setdefault(int(number), []).append(places)
    return {number: np.concatenate(parts) for number, parts in found.items()}


def points_of_image(image: sitk.Image) -> dict[int, np.ndarray]:
    """Where the voxels of each class lie, (n, 3) in LPS mm, by SimpleITK."""
    array = sitk.GetArrayFromImage(image)
    direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return {
        value: np.argwhere(array == value)[:, ::-1] @ direction.T + image.GetOrigin()
        for value in np.unique(array[array > 0]).tolist()
    }


def filled_contours(path: Path, image: sitk.Image) -> np.ndarray:
    """An RTSTRUCT's voxels on the grid of its series: each contour filled by scikit-image."""
    found = np.zeros(image.GetSize()[::-1], np.uint8)
    for roi in pydicom.dcmread(path).ROIContourSequence:
        for contour in roi.get("ContourSequence", []):
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
            at = [image.TransformPhysicalPointToContinuousIndex(p.tolist()) for p in points]
            x, y, z = np.array(at).T
            assert np.ptp(z) < 1e-2, "the contour lies across slices"
            inside = polygon2mask(found.shape[1:], np.round(np.stack([y, x], axis=1), 3))
            found[round(z[0])][inside] = roi.ReferencedROINumber
    return found


def farthest(found: np.ndarray, expected: np.ndarray) -> float:
    """How far in mm a point of two equally large sets lies from the nearest of the other set."""
    assert len(found) == len(expected)
    pairs = ((found, expected), (expected, found))
    return max(float(cKDTree(one).query(other)[0].max()) for one, other in pairs)


def faults(path: Path) -> list[str]:
    """The errors that dciodvfy finds in a DICOM file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert {"Segmentation", "RTStructureSet"} & {*said}, "it did not recognise the object"
    return [line for line in said if line.startswith("Error")]


def read_drawn(path: Path, series: Path) -> np.ndarray:
    """A SEG or RTSTRUCT as intake reads it, on the grid of its series."""
    grid = read_series(series).volume.geometry
    return read_label(parse_label(str(path), ""), grid).volume.array
