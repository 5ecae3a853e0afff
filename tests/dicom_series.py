"""Slices of a CT as pydicom writes them, of a patient whose name must not be seen again."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from remodal.geometry.volume import Geometry

SECRETS = ("Doe^Jane", "HOSPITAL-4711", "19551224", "Dr Who", "jane doe's liver")


def slice_dataset(
    plane: np.ndarray, geometry: Geometry, index: int, uids: dict[str, str]
) -> Dataset:
    """One slice of a CT (HU, y x) as a data set; `uids` names study, series and frame."""
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
