import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import BY_CODE, rotation, tilted

from remodal.errors import EnvironmentProblem, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import write_volume
from remodal.phantom.real_ct import fetch, read_real_ct, simulate_on_ct


def _ct() -> tuple[Volume, np.ndarray]:
    """A body with a liver and a bright vessel, as a CT of 24 slices lying head up, back down."""
    geometry = Geometry(
        (24, 96, 96), (3.5, 3.5, 3.0), (170.0, 160.0, 40.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    )
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in geometry.shape), indexing="ij")
    body = ((x - 48) / 42) ** 2 + ((y - 48) / 30) ** 2 < 1
    liver = ((x - 62) / 22) ** 2 + ((y - 46) / 20) ** 2 + ((z - 12) / 16) ** 2 < 1
    rng = np.random.default_rng(0)
    hu = np.where(body, 50.0, -1000.0)
    hu[liver] = 105
    hu[liver & (np.hypot(x - 60, y - 46) < 2)] = 160
    hu += rng.normal(0, 8, hu.shape)
    return Volume(hu.round().astype(np.int16), geometry), liver


@pytest.fixture(scope="module")
def simulated(settings, tmp_path_factory):
    """Folders of two patients made from one CT."""
    root = tmp_path_factory.mktemp("real")
    volume, liver = _ct()
    for index in (0, 1):
        simulate_on_ct(volume, liver, settings, index, root / str(index))
    return root / "0", root / "1"


def test_one_ct_gives_patients_that_differ(simulated, settings, read_series, details):
    images = [read_series(folder / "venous") for folder in simulated]
    assert images[0].GetSize() == (settings.matrix, settings.matrix, 24)
    assert images[0].GetSpacing() != images[1].GetSpacing()
    assert details(simulated[0])["sha256"] != details(simulated[1])["sha256"]
    assert details(simulated[0])["group"] != details(simulated[1])["group"]


def test_the_same_bytes_twice(simulated, settings, tmp_path):
    simulate_on_ct(*_ct(), settings, 0, tmp_path)
    for path in simulated[0].rglob("*.*"):
        if path.is_file():
            again = tmp_path / path.relative_to(simulated[0])
            assert again.read_bytes() == path.read_bytes()


def test_the_liver_keeps_its_venous_hu_and_loses_some_in_the_arterial_phase(
    simulated, read_series, read_labels
):
    for folder in simulated:
        venous = read_series(folder / "venous")
        truth = sitk.ReadImage(str(folder / "truth" / "displacement.mha"), sitk.sitkVectorFloat64)
        moved = sitk.DisplacementFieldTransform(truth)
        arterial = sitk.Resample(
            read_series(folder / "arterial"), venous, moved, sitk.sitkLinear, -1024.0
        )
        labels = read_labels(folder / "label.dcm", venous)
        assert (labels == 2).any()
        plain = labels == 1
        hu = [np.median(sitk.GetArrayFromImage(image)[plain]) for image in (arterial, venous)]
        assert hu[1] == pytest.approx(105, abs=4)
        assert 55 < hu[0] < 95


def test_the_liver_lies_on_the_right_whatever_way_the_ct_was_stored(simulated, read_series):
    image = read_series(simulated[0] / "venous")
    liver = sitk.GetArrayFromImage(sitk.ReadImage(str(simulated[0] / "truth" / "liver.nii.gz")))
    middle = image.GetOrigin()[0] + image.GetSpacing()[0] * (image.GetSize()[0] - 1) / 2
    columns = image.GetOrigin()[0] + image.GetSpacing()[0] * np.arange(image.GetSize()[0])
    # Stored with x to the right: column 62 of 96 is right of the middle, x grows to the left.
    assert np.average(columns, weights=liver.sum(axis=(0, 1))) < middle


def test_a_mask_that_does_not_fit_is_the_users_mistake(settings, tmp_path):
    volume, liver = _ct()
    with pytest.raises(UserError, match="grid of the CT"):
        simulate_on_ct(volume, liver[:-1], settings, 0, tmp_path)
    with pytest.raises(UserError, match="empty"):
        simulate_on_ct(volume, np.zeros_like(liver), settings, 0, tmp_path)


def test_however_the_ct_lies_the_patient_is_the_same(simulated, settings, tmp_path):
    volume, liver = _ct()
    lies = tilted(volume.geometry, rotation(20, -10, 5))
    ct, mask = (BY_CODE["PIR"].store(Volume(a, lies)) for a in (volume.array, liver))
    simulate_on_ct(ct, mask.array, settings, 0, tmp_path)
    expected = (simulated[0] / "record.json").read_bytes()
    assert (tmp_path / "record.json").read_bytes() == expected


def test_a_ct_of_ones_own_needs_two_files(tmp_path):
    volume, liver = _ct()
    write_volume(tmp_path / "ct.nii.gz", volume)
    write_volume(tmp_path / "liver.nii.gz", volume.with_array(liver.astype(np.uint8)))
    ct, mask, organs = read_real_ct(tmp_path)
    np.testing.assert_array_equal(ct.array, volume.array)
    np.testing.assert_array_equal(mask, liver)
    assert organs is None


def test_without_a_package_index_the_user_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentProblem, match="demo-real needs a network"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.network
def test_the_real_ct_becomes_a_patient(settings, tmp_path, read_series, details):
    try:
        ct, liver = fetch(tmp_path / "source")
    except EnvironmentProblem as problem:
        pytest.skip(str(problem))
    assert fetch(tmp_path / "source") == (ct, liver)
    volume, mask, organs = read_real_ct(tmp_path / "source")
    assert volume.array.shape == (20, 512, 512)
    assert 85 < np.median(volume.array[mask]) < 95
    simulate_on_ct(volume, mask, settings, 2, tmp_path / "case", organs)
    image = read_series(tmp_path / "case" / "arterial")
    # The aorta, label 52, is brighter than anything soft.
    assert (sitk.GetArrayFromImage(image) > 250).any()
    assert details(tmp_path / "case")["source"] == "real_ct"
