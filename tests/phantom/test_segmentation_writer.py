import numpy as np
import pydicom
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.phantom.dicom_writer import SeriesDescription, draw_examination, write_series
from remodal.phantom.segmentation_writer import write_segmentation

GEOMETRY = Geometry((5, 12, 10), (0.731251, 0.731251, 1.5), (-100.123, 20.456, -301.7))
VENOUS = SeriesDescription("venous", 3, 70.0)


@pytest.fixture
def volume() -> Volume:
    rng = np.random.default_rng(0)
    return Volume(rng.integers(-1024, 3072, GEOMETRY.shape).astype(np.int16), GEOMETRY)


@pytest.fixture
def examination():
    return draw_examination("identity", "patient001", 0, np.random.default_rng(0))


def test_a_written_segmentation_names_its_segments_and_their_slices(
    volume, examination, tmp_path, read_series, read_labels
):
    slices, _ = write_series(tmp_path / "venous", volume, examination, VENOUS)
    labels = np.zeros(GEOMETRY.shape, np.uint8)
    labels[1:4, 2:9, 3:8] = 1
    labels[2, 4:6, 5:7] = 2
    write_segmentation(tmp_path / "label.dcm", labels, slices, examination)
    image = read_series(tmp_path / "venous")
    np.testing.assert_array_equal(read_labels(tmp_path / "label.dcm", image), labels)


def test_nothing_depends_on_the_clock(volume, examination, tmp_path):
    content = []
    for name in ("first", "second"):
        slices, digest = write_series(tmp_path / name / "venous", volume, examination, VENOUS)
        labels = np.ones(GEOMETRY.shape, np.uint8)
        write_segmentation(tmp_path / name / "label.dcm", labels, slices, examination)
        content.append((digest, (tmp_path / name / "label.dcm").read_bytes()))
    assert content[0] == content[1]
    dataset = pydicom.dcmread(tmp_path / "first" / "label.dcm")
    dates = {e.value for e in dataset.iterall() if e.VR == "DA" and e.value}
    assert all(date.startswith("2021") for date in dates)
