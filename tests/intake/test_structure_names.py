"""What a label's files call its values."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset

from remodal.intake.label_source import LabelSource, parse_label
from remodal.intake.slicer import read_slicer
from remodal.intake.structure_names import structure_names


def write_dicom(path, sequence, items):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    parts = []
    for item in items:
        part = Dataset()
        for keyword, value in item.items():
            setattr(part, keyword, value)
        parts.append(part)
    setattr(dataset, sequence, parts)
    dataset.save_as(path, enforce_file_format=True)


def test_the_sheet_s_names_count(tmp_path):
    assert structure_names(parse_label("any.dcm", "1=Liver; 2=GTV")) == {1: "Liver", 2: "GTV"}
    assert structure_names(parse_label("1=a/liver.nii.gz; 3=b/x.y.seg.nrrd")) == {
        1: "liver",
        3: "x.y",
    }


def test_a_seg_and_an_rtstruct_name_their_structures(tmp_path):
    seg, rtstruct = tmp_path / "seg.dcm", tmp_path / "rtstruct.dcm"
    write_dicom(seg, "SegmentSequence", [{"SegmentNumber": 2, "SegmentLabel": "Mass"}])
    write_dicom(rtstruct, "StructureSetROISequence", [{"ROINumber": 7, "ROIName": "GTV"}])
    assert structure_names(LabelSource((seg,))) == {2: "Mass"}
    assert structure_names(LabelSource((rtstruct,))) == {7: "GTV"}
    (tmp_path / "folder").mkdir()
    seg.rename(tmp_path / "folder/seg.dcm")
    assert structure_names(LabelSource((tmp_path / "folder",))) == {2: "Mass"}


def test_slicer_s_names_go_with_the_values_that_its_label_gets(tmp_path):
    path = tmp_path / "label.seg.nrrd"
    image = sitk.GetImageFromArray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3) % 6)
    for number, (name, value) in enumerate({"liver": 5, "tumour": 2}.items()):
        for key, said in {"ID": name, "Name": name, "LabelValue": value, "Layer": 0}.items():
            image.SetMetaData(f"Segment{number}_{key}", str(said))
    sitk.WriteImage(image, str(path))
    assert structure_names(LabelSource((path,))) == {5: "liver", 2: "tumour"}
    assert set(np.unique(read_slicer(path)[0].array)) == {0, 2, 5}


def test_an_image_names_nothing():
    assert structure_names(LabelSource((Path("label.nii.gz"),))) == {}
