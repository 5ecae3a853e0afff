"""A source that says whose it is, and a folder to share that does not."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from safetensors.numpy import save_file
from tests.identity.files import TAGS, UID

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    dataset = pydicom.Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{UID}.7"
    for keyword, value in TAGS.items():
        setattr(dataset, keyword, value)
    other = pydicom.Dataset()
    other.PatientID = "H-998877"
    dataset.OtherPatientIDsSequence = [other]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(folder / "1.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def shared(tmp_path):
    """What a clean study leaves: an image, a table, a page, a model."""
    folder = tmp_path / "shared"
    volume = Volume(np.zeros((4, 5, 6), np.int16), Geometry((4, 5, 6), (1, 1, 1), (0, 0, 0)))
    write_volume(folder / "case1/venous.nii.gz", volume)
    (folder / "table.csv").write_text("case,dice\ncase1,0.4711\ncase2,0.0047110815\n")
    (folder / "index.html").write_text("<h1>Liver</h1> 1954 lesions of Müllerian origin, patient 7")
    save_file({"weight": np.zeros(3)}, folder / "model.safetensors", {"format": "np"})
    return folder
