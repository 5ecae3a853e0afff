"""What a PACS stored as of unknown VR (UN) is read as what it is."""

import numpy as np
import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

from remodal.geometry.volume import Geometry
from remodal.intake.drawn import read_drawn
from remodal.intake.headers import read_header
from remodal.intake.label_source import LabelSource
from remodal.intake.structure_names import structure_names

GRID = Geometry((5, 60, 64), (0.7, 0.8, 2.5), (-100.0, 20.0, 30.0))
NAMES = {1: "liver", 7: "tumour"}


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def circle(count, z, radius):
    """A contour of so many points, on slice z."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    voxels = np.stack([32 + radius * np.cos(angles), 30 + radius * np.sin(angles)], axis=1)
    voxels = np.column_stack([voxels, np.full(count, z), np.ones(count)])
    points = (voxels @ GRID.affine.T)[:, :3]
    return item(
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=count,
        ContourData=points.round(3).ravel().tolist(),
    )


def structures(count):
    """An RTSTRUCT of two ROIs, whose contours have so many points."""
    made = item(SOPClassUID=RTStructureSetStorage, SOPInstanceUID="1.2.3", Modality="RTSTRUCT")
    made.StructureSetROISequence = [item(ROINumber=n, ROIName=name) for n, name in NAMES.items()]
    made.ROIContourSequence = [
        item(ReferencedROINumber=1, ContourSequence=[circle(count, z, 20) for z in (1, 2)]),
        item(ReferencedROINumber=7, ContourSequence=[circle(count, 2, 5)]),
    ]
    return made


def encoded(dataset):
    """The elements of a dataset, implicit."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def unknown(dataset, *keywords):
    """Store elements as their bytes and of unknown VR, as an archive that does not know them."""
    for keyword in keywords:
        element = dataset[keyword]
        content = encoded(item(**{keyword: element.value}))[8:]
        dataset[element.tag] = DataElement(element.tag, "UN", content)
    return dataset


def save(dataset, path):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def stored_contours(dataset):
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            unknown(contour, "ContourData", "ContourGeometricType")


def stored_contour_sequences(dataset):
    for roi in dataset.ROIContourSequence:
        unknown(roi, "ContourSequence")


def stored_whole(dataset):
    unknown(dataset, "ROIContourSequence", "StructureSetROISequence", "Modality")


def stored_beside_private_ones(dataset):
    stored_contours(dataset)
    for level in (dataset, dataset.ROIContourSequence[0]):
        level.add_new(0x30070010, "LO", "VENDOR")
        level.add_new(0x30071001, "UN", encoded(item(ContourSequence=[circle(3500, 1, 3)])))
        level.add_new(0x30071002, "SQ", [item(ContourData=[1.0, 2.0, 3.0])])
        level.add_new(0x30071003, "UN", bytes(70_000))


@pytest.mark.parametrize("count", [40, 3500])  # 3500 points take more than 64 kB
@pytest.mark.parametrize(
    "stored",
    [stored_contours, stored_contour_sequences, stored_whole, stored_beside_private_ones],
)
def test_contours_stored_as_unknown_are_the_same(tmp_path, monkeypatch, stored, count):
    plain, other = tmp_path / "plain.dcm", tmp_path / "other.dcm"
    dataset = structures(count)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"  # implicit: no VR, no limit
    dataset.save_as(plain, enforce_file_format=True)
    monkeypatch.setattr(config, "replace_un_with_known_vr", False)
    dataset = structures(count)
    stored(dataset)
    save(dataset, other)
    monkeypatch.undo()
    assert b"UN\0\0" in other.read_bytes()
    wanted = ((1, "Liver"), (2, "tumour"))
    kind, expected, warnings = read_drawn(plain, GRID, wanted)
    found = read_drawn(other, GRID, wanted)
    assert np.count_nonzero(expected) > 2000
    np.testing.assert_array_equal(found[1], expected)
    assert (found[0], found[2]) == (kind, warnings)
    assert structure_names(LabelSource((other,))) == NAMES


def test_a_long_contour_that_pydicom_writes_is_read(tmp_path):
    """It is written as UN, since a DS cannot be as long in an explicit file."""
    path = tmp_path / "a.dcm"
    with pytest.warns(UserWarning, match="changed from 'DS' to 'UN'"):
        save(structures(3500), path)
    assert read_drawn(path, GRID)[1].max() == 7


def test_functional_groups_stored_as_unknown_are_read(tmp_path, monkeypatch):
    """Those of many frames take more than 64 kB."""
    frames = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0.0, 0.0, float(n)])])
        for n in range(2000)
    ]
    made = item(SOPClassUID=EnhancedCTImageStorage, SOPInstanceUID="1.2.3", Modality="CT")
    made.PerFrameFunctionalGroupsSequence = frames
    monkeypatch.setattr(config, "replace_un_with_known_vr", False)
    save(unknown(made, "PerFrameFunctionalGroupsSequence"), tmp_path / "a.dcm")
    monkeypatch.undo()
    groups = read_header(tmp_path / "a.dcm").elements["PerFrameFunctionalGroupsSequence"].value
    assert groups[1999].PlanePositionSequence[0].ImagePositionPatient[2] == 1999
