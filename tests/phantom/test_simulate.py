"""A simulated patient as other people's software sees it."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.geometry.volume import from_sitk, to_sitk
from remodal.intake.datasets.phantom import LAYOUTS, LESION_TYPES
from remodal.intake.label_source import LabelSource
from remodal.intake.labels import read_label
from remodal.phantom.dual_phase import simulate_patient
from remodal.phantom.simulate import simulate
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _headers(folder: Path) -> list[pydicom.Dataset]:
    paths = sorted(folder.iterdir())
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]


def _truth(folder: Path) -> sitk.Image:
    return sitk.ReadImage(str(folder / "truth" / "displacement.mha"), sitk.sitkVectorFloat64)


def test_the_same_patient_twice_has_the_same_bytes(patient, settings, tmp_path):
    more = settings.model_copy(update={"cases": 300})
    simulate_patient(more, 0, tmp_path / "again")
    assert _digests(tmp_path / "again") == _digests(patient(0))


def test_patients_share_no_identifier_and_no_image(patient, details):
    first, second = (_headers(patient(i) / "venous")[0] for i in (0, 1))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert first[keyword] != second[keyword]
    assert details(patient(0))["sha256"] != details(patient(1))["sha256"]


def test_simulating_again_leaves_no_slice_of_the_patient_before(patient, settings, tmp_path):
    folder = shutil.copytree(patient(1), tmp_path / "case")
    simulate_patient(settings, 0, folder)
    assert _digests(folder) == _digests(patient(0))


def test_both_phases_are_one_study_on_one_table(patient):
    folder = patient(0)
    arterial, venous = (_headers(folder / name) for name in ("arterial", "venous"))
    both = arterial + venous
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate"):
        assert len({str(header[keyword].value) for header in both}) == 1
    for keyword in ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionTime"):
        values = [
            {str(header[keyword].value) for header in series} for series in (arterial, venous)
        ]
        assert [len(value) for value in values] == [1, 1]
        assert values[0] != values[1]
    heights = [{float(h.ImagePositionPatient[2]) for h in series} for series in (arterial, venous)]
    assert heights[0] != heights[1]


def test_contrast_and_timing_tell_the_phases_apart(patient):
    seconds = {}
    for phase in ("arterial", "venous"):
        header = _headers(patient(0) / phase)[0]
        assert header.ContrastBolusAgent
        assert phase in header.SeriesDescription
        start, scan = (
            pydicom.valuerep.TM(value)
            for value in (header.ContrastBolusStartTime, header.AcquisitionTime)
        )
        minutes = (scan.hour - start.hour) * 60 + scan.minute - start.minute
        seconds[phase] = minutes * 60 + scan.second - start.second
    assert 30 <= seconds["arterial"] <= 41
    assert 64 <= seconds["venous"] <= 80


def test_file_names_are_in_no_order_and_instance_numbers_run_to_the_feet(patient):
    headers = _headers(patient(0) / "venous")
    numbers = [int(header.InstanceNumber) for header in headers]
    assert sorted(numbers) == list(range(1, len(headers) + 1))
    assert numbers not in (sorted(numbers), sorted(numbers, reverse=True))
    heights = [float(header.ImagePositionPatient[2]) for header in headers]
    assert np.all(np.diff(np.array(heights)[np.argsort(numbers)]) < 0)


def test_the_slices_are_those_of_the_settings(patient, settings, read_series, details):
    image = read_series(patient(0) / "venous")
    x, y, z = image.GetSize()
    assert (x, y) == (settings.matrix, settings.matrix)
    assert settings.slices[0] <= z <= settings.slices[1]
    assert image.GetSpacing()[2] == pytest.approx(settings.slice_spacing)
    least, most = settings.field_of_view
    assert least <= image.GetSpacing()[0] * x <= most
    assert details(patient(0))["spacing"]["venous"] == pytest.approx(image.GetSpacing())
    assert image.GetOrigin()[2] != read_series(patient(1) / "venous").GetOrigin()[2]


def test_hounsfield_units_of_air_and_of_the_liver_in_both_phases(patient, read_series):
    folder = patient(0)
    stored = pydicom.dcmread(next((folder / "venous").iterdir()))
    assert (stored.RescaleSlope, stored.RescaleIntercept) == (1, -1024)
    assert stored.pixel_array.dtype == np.uint16
    liver = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "truth" / "liver.nii.gz"))) > 0
    venous = sitk.GetArrayFromImage(read_series(folder / "venous"))
    moved = sitk.DisplacementFieldTransform(_truth(folder))
    arterial = sitk.Resample(
        read_series(folder / "arterial"), read_series(folder / "venous"), moved
    )
    assert np.median(venous[:, :2, :]) == pytest.approx(-1000, abs=5)
    assert 75 < np.median(venous[liver]) < 140
    assert np.median(sitk.GetArrayFromImage(arterial)[liver]) < np.median(venous[liver]) - 10


@pytest.fixture(scope="module")
def in_each_layout(settings, tmp_path_factory) -> dict[str, Path]:
    """Folders of one patient, stored in every way."""
    folders = {}
    for name in LAYOUTS:
        folders[name] = tmp_path_factory.mktemp(name)
        simulate_patient(settings.model_copy(update={"layouts": [name]}), 0, folders[name])
    return folders


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_patient_is_the_same_in_every_layout(in_each_layout, read_series, read_labels, name):
    folder, axial = in_each_layout[name], in_each_layout["axial"]
    for modality in ("arterial", "venous"):
        expected = read_series(axial / modality)
        found = sitk.DICOMOrient(read_series(folder / modality), "LPS")
        np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (found, expected)))
        assert found.GetSpacing() == pytest.approx(expected.GetSpacing(), rel=1e-5)
    image = read_series(folder / "venous")
    labels = sitk.GetImageFromArray(read_labels(folder / "label.dcm", image))
    labels.CopyInformation(image)
    expected = read_labels(axial / "label.dcm", expected)
    found = sitk.GetArrayFromImage(sitk.DICOMOrient(labels, "LPS"))
    np.testing.assert_array_equal(found, expected)


def test_layouts_differ_in_axes_and_some_are_oblique(in_each_layout, read_series):
    codes, oblique = {}, set()
    for name, folder in in_each_layout.items():
        directions = [read_series(folder / m).GetDirection() for m in ("arterial", "venous")]
        find = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines
        codes[name] = tuple(map(find, directions))
        if np.abs(directions[1]).max() < 0.999:
            oblique.add(name)
    assert codes == {
        "axial": ("LPS", "LPS"),
        "oblique": ("LPS", "LPS"),
        "coronal": ("LIP", "LIP"),
        "sagittal": ("PIR", "PIR"),
        "nifti": ("RAS", "RAS"),
        "mixed": ("LAS", "LPS"),
    }
    assert oblique == {"oblique", "sagittal", "nifti"}


def test_another_layout_leaves_no_file_of_the_one_before(in_each_layout, settings, tmp_path):
    for name in ("axial", "nifti"):
        simulate_patient(settings.model_copy(update={"layouts": [name]}), 0, tmp_path / "case")
    assert _digests(tmp_path / "case") == _digests(in_each_layout["nifti"])


def test_the_annotation_is_a_segmentation_of_the_venous_series(patient, read_series, read_labels):
    folder = patient(0)
    dataset = pydicom.dcmread(folder / "label.dcm")
    assert dataset.SOPClassUID == pydicom.uid.SegmentationStorage
    series = _headers(folder / "venous")
    reference = dataset.ReferencedSeriesSequence[0]
    assert reference.SeriesInstanceUID == series[0].SeriesInstanceUID
    assert dataset.StudyInstanceUID == series[0].StudyInstanceUID
    described = {s.SegmentNumber: s.SegmentLabel for s in dataset.SegmentSequence}
    assert described == {1: "Liver", 2: "Tumour"}
    labels = read_labels(folder / "label.dcm", read_series(folder / "venous"))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "truth" / "liver.nii.gz")))
    np.testing.assert_array_equal(labels > 0, truth > 0)
    assert (labels == 2).any()


@pytest.mark.parametrize("layout", ["axial", "nifti"])
def test_an_annotation_of_the_arterial_phase_lies_where_breathing_brought_the_tissue(
    layout, settings, tmp_path, read_series
):
    one = settings.model_copy(update={"layouts": [layout]})
    both = one.model_copy(update={"annotated": ["arterial", "venous"]})
    for name, wanted in (("one", one), ("both", both)):
        simulate_patient(wanted, 0, tmp_path / name)
    digests = {name: _digests(tmp_path / name) for name in ("one", "both")}
    suffix = "dcm" if layout == "axial" else "nii.gz"
    added = f"label-arterial.{suffix}"
    assert set(digests["both"]) - set(digests["one"]) == {added}
    assert digests["one"].items() <= digests["both"].items()
    images = {}
    for phase in ("arterial", "venous"):
        path = tmp_path / "both" / (phase if layout == "axial" else f"{phase}.nii.gz")
        images[phase] = from_sitk(read_series(path) if path.is_dir() else sitk.ReadImage(str(path)))
    labels = {
        phase: read_label(LabelSource((tmp_path / "both" / name,)), images[phase].geometry).volume
        for phase, name in (("arterial", added), ("venous", f"label.{suffix}"))
    }
    moved = sitk.DisplacementFieldTransform(_truth(tmp_path / "both"))
    arterial = sitk.Resample(
        to_sitk(labels["arterial"]), to_sitk(images["venous"]), moved, sitk.sitkNearestNeighbor
    )
    arterial, venous = sitk.GetArrayFromImage(arterial), labels["venous"].array
    for values in ([1, 2], [2]):
        first, second = np.isin(arterial, values), np.isin(venous, values)
        assert 2 * (first & second).sum() / (first.sum() + second.sum()) > 0.85


@pytest.mark.parametrize("index", range(5))
def test_lesions_look_as_their_type_does(index, patient, read_series, read_labels, details):
    folder = patient(index)
    venous = read_series(folder / "venous")
    moved = sitk.DisplacementFieldTransform(_truth(folder))
    arterial = sitk.Resample(
        read_series(folder / "arterial"), venous, moved, sitk.sitkLinear, -1024.0
    )
    labels = read_labels(folder / "label.dcm", venous)
    contrast, brightest = [], []
    for image in (arterial, venous):
        values = sitk.GetArrayFromImage(image)
        plain = np.median(values[labels == 1])
        contrast.append(np.mean(values[labels == 2]) - plain)
        brightest.append(np.percentile(values[labels == 2], 90) - plain)
    arterial_contrast, venous_contrast = contrast
    group = details(folder)["group"]
    seen = {
        "HCC": arterial_contrast > 10 or venous_contrast < -10,
        "FNH": arterial_contrast > 25 and venous_contrast > -8,
        "metastasis": venous_contrast < -12 and venous_contrast < arterial_contrast,
        "cyst": arterial_contrast < -30 and venous_contrast < -60,
        "haemangioma": min(brightest) > 15,
    }
    assert seen[group], (contrast, brightest)


def test_five_successive_patients_have_the_five_types(patient, details):
    groups = [details(patient(index))["group"] for index in range(5)]
    assert sorted(groups) == sorted(LESION_TYPES)
    for index in range(5):
        types = {lesion["type"] for lesion in details(patient(index))["lesions"]}
        assert types == {groups[index]}


def test_the_true_displacement_takes_the_arterial_phase_to_the_venous_one(patient, read_series):
    folder = patient(0)
    venous, arterial = (read_series(folder / name) for name in ("venous", "arterial"))

    def lungs_and_air(transform: sitk.Transform) -> np.ndarray:
        moved = sitk.Resample(arterial, venous, transform, sitk.sitkLinear, -1024.0)
        return sitk.GetArrayFromImage(moved) < -400

    expected = sitk.GetArrayFromImage(venous) < -400
    inside = slice(3, -3)
    before, after = (
        np.mean(lungs_and_air(transform)[inside] != expected[inside])
        for transform in (sitk.Transform(), sitk.DisplacementFieldTransform(_truth(folder)))
    )
    assert after < 0.6 * before


def test_breathing_moves_the_liver_by_what_the_record_says_and_folds_nothing(patient, details):
    folder = patient(0)
    truth = _truth(folder)
    liver = sitk.ReadImage(str(folder / "truth" / "liver.nii.gz"))
    vectors = sitk.GetArrayFromImage(sitk.Resample(truth, liver))
    moved = vectors[sitk.GetArrayFromImage(liver) > 0]
    # In addition to breathing, the whole patient is shifted by up to 2 mm.
    up = np.reshape(liver.GetDirection(), (3, 3))[:, 2]
    assert (moved @ up).mean() == pytest.approx(details(folder)["breathing_mm"], abs=3)
    # Along the grid's own axes: SimpleITK assumes that the components are along these.
    along = sitk.GetArrayFromImage(truth) @ np.reshape(truth.GetDirection(), (3, 3))
    plain = sitk.GetImageFromArray(along, isVector=True)
    plain.SetSpacing(truth.GetSpacing())
    jacobian = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(plain))
    assert jacobian.min() > 0.4


@pytest.mark.parametrize("name", ["oblique", "coronal", "sagittal"])
def test_a_dicom_validator_finds_no_error(in_each_layout, name):
    validator = shutil.which("dciodvfy", path=Path(sys.executable).parent) or shutil.which(
        "dciodvfy"
    )
    if validator is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    folder = in_each_layout[name]
    files = [sorted((folder / name).iterdir())[0] for name in ("arterial", "venous")]
    for path in [*files, folder / "label.dcm"]:
        done = subprocess.run([validator, path], capture_output=True, text=True, check=False)
        report = done.stdout + done.stderr
        assert "CTImage" in report or "Segmentation" in report
        assert "Error" not in report, report


def test_an_unknown_case_or_source_is_the_users_mistake(tmp_path):
    study = compose({"study": "liver", "preset": "smoke"}, CONFIG)
    with pytest.raises(UserError, match="patient999"):
        simulate(study, "patient999", tmp_path, tmp_path / "case")
    sheet = compose({"study": "liver", "preset": "smoke", "data": {"source": "sheet"}}, CONFIG)
    with pytest.raises(UserError, match="not simulated"):
        simulate(sheet, "patient001", tmp_path, tmp_path / "case")
    real = compose({"study": "liver_real_ct", "preset": "demo"}, CONFIG)
    with pytest.raises(UserError, match="run `remodal fetch`"):
        simulate(real, "patient001", tmp_path, tmp_path / "case")
