import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.errors import EnvironmentProblem
from remodal.geometry.volume import Geometry, Volume
from remodal.phantom.dicom_writer import (
    SeriesDescription,
    draw_examination,
    write_segmentation,
    write_series,
)

GEOMETRY = Geometry((5, 12, 10), (0.731251, 0.731251, 1.5), (-100.123, 20.456, -301.7))
VENOUS = SeriesDescription("venous", 3, 70.0)


@pytest.fixture
def volume() -> Volume:
    rng = np.random.default_rng(0)
    return Volume(rng.integers(-1024, 3072, GEOMETRY.shape).astype(np.int16), GEOMETRY)


@pytest.fixture
def examination():
    return draw_examination("identity", "patient001", 0, np.random.default_rng(0))


def test_a_written_series_is_read_back_voxel_by_voxel(volume, examination, tmp_path, read_series):
    write_series(tmp_path / "venous", volume, examination, VENOUS)
    image = read_series(tmp_path / "venous")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
    assert image.GetSpacing() == pytest.approx(GEOMETRY.spacing, abs=1e-9)
    assert image.GetOrigin() == pytest.approx(GEOMETRY.origin, abs=1e-9)
    assert image.GetDirection() == pytest.approx(GEOMETRY.direction)


def test_a_series_takes_the_place_of_the_one_before(volume, examination, tmp_path, read_series):
    write_series(tmp_path / "venous", volume, examination, VENOUS)
    other = draw_examination("other", "patient001", 0, np.random.default_rng(0))
    write_series(tmp_path / "venous", volume, other, VENOUS)
    assert read_series(tmp_path / "venous").GetSize()[2] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["venous"]


def test_a_folder_that_cannot_be_written_is_named(volume, examination, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((EnvironmentProblem, OSError)):
        write_series(tmp_path / "file" / "venous", volume, examination, VENOUS)


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
