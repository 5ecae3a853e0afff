import numpy as np
import pydicom

from remodal.phantom.dicom_writer import SeriesDescription, write_series
from remodal.phantom.segmentation_writer import write_segmentation

VENOUS = SeriesDescription("venous", 3, 70.0)


def test_a_written_segmentation_names_its_segments_and_their_slices(
    volume, examination, tmp_path, read_series, read_labels
):
    slices, _ = write_series(tmp_path / "venous", volume, examination, VENOUS)
    labels = np.zeros(volume.geometry.shape, np.uint8)
    labels[1:4, 2:9, 3:8] = 1
    labels[2, 4:6, 5:7] = 2
    write_segmentation(tmp_path / "label.dcm", labels, slices, examination)
    image = read_series(tmp_path / "venous")
    np.testing.assert_array_equal(read_labels(tmp_path / "label.dcm", image), labels)


def test_nothing_depends_on_the_clock(volume, examination, tmp_path):
    content = []
    for name in ("first", "second"):
        slices, digest = write_series(tmp_path / name / "venous", volume, examination, VENOUS)
        labels = np.ones(volume.geometry.shape, np.uint8)
        write_segmentation(tmp_path / name / "label.dcm", labels, slices, examination)
        content.append((digest, (tmp_path / name / "label.dcm").read_bytes()))
    assert content[0] == content[1]
    dataset = pydicom.dcmread(tmp_path / "first" / "label.dcm")
    dates = {e.value for e in dataset.iterall() if e.VR == "DA" and e.value}
    assert all(date.startswith("2021") for date in dates)
