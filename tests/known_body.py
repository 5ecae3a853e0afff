"""Slices through a body that is known everywhere, wherever and however they are laid."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from remodal.geometry.volume import Geometry
from tests.dicom_series import slice_dataset

SHAPE = (40, 36)
PIXEL = (1.2, 1.5)
CENTRE = np.array([27.0, 22.0, 28.0])
RADIUS = 14.0


def body(points: np.ndarray) -> np.ndarray:
    """HU at points (..., 3; LPS mm): a ball in a ramp that is linear in all directions."""
    return -900 + points @ [2.0, 3.0, 1.0] + 800 * ball(points)


def ball(points: np.ndarray) -> np.ndarray:
    """Whether points lie in the ball."""
    return ((points - CENTRE) ** 2).sum(axis=-1) < RADIUS**2


def centres(grid: Geometry) -> np.ndarray:
    """Centres of a grid's voxels (z, y, x, 3; LPS mm)."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij")[::-1], axis=-1)
    return indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def plane(position: Iterable[float], tilt: float = 0.0) -> Geometry:
    """Grid of one slice whose gantry is tilted by so many degrees about the x axis."""
    sine, cosine = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))
    axes = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    return Geometry(
        (1, *SHAPE), (PIXEL[1], PIXEL[0], 5.0), tuple(position), tuple(axes.ravel().tolist())
    )


def write_slices(
    folder: Path,
    planes: list[Geometry],
    values: Callable[[np.ndarray], np.ndarray] = body,
    change: Callable[[Dataset, int], None] | None = None,
) -> list[Dataset]:
    """Write the slices of a CT series, numbered in their order from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    uids = {name: generate_uid(entropy_srcs=[name, folder.name]) for name in ("study", "frame")}
    uids["series"] = generate_uid(entropy_srcs=["series", folder.name])
    written = []
    for index, one in enumerate(planes):
        dataset = slice_dataset(np.rint(values(centres(one)[0])).astype(int), one, 0, uids)
        dataset.InstanceNumber = index + 1
        # As scanners do, whose manufacturer dcm2niix must know.
        dataset.Manufacturer, dataset.PatientPosition = "SIEMENS", "HFS"
        dataset.BitsStored, dataset.HighBit = 12, 11
        if one.direction[4] < 1:
            dataset.GantryDetectorTilt = float(np.degrees(np.arcsin(one.direction[7])))
        if change is not None:
            change(dataset, index)
        dataset.filename = folder / f"{index:03d}.dcm"
        dataset.save_as(dataset.filename, enforce_file_format=True)
        written.append(dataset)
    return written


def _object(kind: str) -> Dataset:
    whole = Dataset()
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = kind
    whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return whole


def structure_set(planes: list[Geometry]) -> Dataset:
    """An RTSTRUCT with the ball's outline on each slice that cuts it."""
    whole, roi = _object("1.2.840.10008.5.1.4.1.1.481.3"), Dataset()
    whole.Modality, roi.ReferencedROINumber, roi.ContourSequence = "RTSTRUCT", 1, []
    around = np.linspace(0, 2 * np.pi, 90)[:-1]
    for one in planes:
        axes = np.reshape(one.direction, (3, 3))
        centre, radius = _cut(one)
        if radius > 0:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            circle = np.stack([np.cos(around), np.sin(around)], axis=1) @ axes[:, :2].T
            contour.ContourData = (centre + radius * circle).ravel().tolist()
            roi.ContourSequence.append(contour)
    whole.ROIContourSequence = [roi]
    return whole


def _cut(one: Geometry) -> tuple[np.ndarray, float]:
    """Centre and radius of the circle in which a slice cuts the ball."""
    normal = np.reshape(one.direction, (3, 3))[:, 2]
    above = (CENTRE - np.array(one.origin)) @ normal
    return CENTRE - above * normal, np.sqrt(max(0.0, RADIUS**2 - above**2))


def segmentation(planes: list[Geometry]) -> Dataset:
    """A SEG with the ball on each slice."""
    whole = _object("1.2.840.10008.5.1.4.1.1.66.4")
    whole.Modality, whole.SegmentationType = "SEG", "BINARY"
    whole.Rows, whole.Columns = planes[0].shape[1:]
    whole.BitsAllocated = whole.BitsStored = whole.SamplesPerPixel = 1
    whole.HighBit = whole.PixelRepresentation = 0
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [planes[0].spacing[1], planes[0].spacing[0]]
    axes = np.reshape(planes[0].direction, (3, 3))
    orientation.ImageOrientationPatient = axes[:, :2].T.ravel().tolist()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = []
    for one in planes:
        frame, place, segment = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = list(one.origin)
        segment.ReferencedSegmentNumber = 1
        frame.PlanePositionSequence = [place]
        frame.SegmentIdentificationSequence = [segment]
        whole.PerFrameFunctionalGroupsSequence.append(frame)
    whole.NumberOfFrames = len(planes)
    bits = np.concatenate([ball(centres(one)).ravel() for one in planes])
    whole.PixelData = np.packbits(bits, bitorder="little").tobytes()
    return whole


def multi_frame(slices: list[Dataset]) -> Dataset:
    """An enhanced CT of slices; those at places that were there before are of a later time."""
    places = [tuple(one.ImagePositionPatient) for one in slices]
    whole = deepcopy(slices[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    whole.NumberOfFrames = len(slices)
    whole.PixelData = b"".join(dataset.PixelData for dataset in slices)
    measures, orientation, scale = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = whole.PixelSpacing
    orientation.ImageOrientationPatient = whole.ImageOrientationPatient
    scale.RescaleSlope, scale.RescaleIntercept = 1, -1024
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [scale]
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = []
    for number, dataset in enumerate(slices):
        frame, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = dataset.ImagePositionPatient
        content.TemporalPositionIndex = places[:number].count(places[number]) + 1
        frame.PlanePositionSequence, frame.FrameContentSequence = [place], [content]
        whole.PerFrameFunctionalGroupsSequence.append(frame)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(whole, name)
    return whole
