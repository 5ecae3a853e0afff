import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import EnvironmentProblem
from remodal.phantom.dicom_writer import (
    SeriesDescription,
    draw_examination,
    write_series,
)

VENOUS = SeriesDescription("venous", 3, 70.0)


def test_a_written_series_is_read_back_voxel_by_voxel(volume, examination, tmp_path, read_series):
    write_series(tmp_path / "venous", volume, examination, VENOUS)
    image = read_series(tmp_path / "venous")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
    assert image.GetSpacing() == pytest.approx(volume.geometry.spacing, abs=1e-9)
    assert image.GetOrigin() == pytest.approx(volume.geometry.origin, abs=1e-9)
    assert image.GetDirection() == pytest.approx(volume.geometry.direction)


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


def test_files_and_slices_may_be_numbered_from_the_feet(volume, examination, tmp_path, read_series):
    series = SeriesDescription("venous", 3, 70.0, from_head=False, numbered_files=True)
    written, _ = write_series(tmp_path / "venous", volume, examination, series)
    assert [int(one.InstanceNumber) for one in written] == [1, 2, 3, 4, 5]
    names = sorted(path.name for path in (tmp_path / "venous").iterdir())
    assert names == [f"1-{number:03d}.dcm" for number in range(1, 6)]
    image = read_series(tmp_path / "venous")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
