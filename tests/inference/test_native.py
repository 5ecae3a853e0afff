"""Native space: one image as it was scanned, and its segmentation carried to the truth."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import BY_CODE, rotation, tilted

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.inference.fold import infer_fold
from remodal.intake.convert import convert_image
from remodal.intake.nifti import read_volume, write_volume
from remodal.metrics.evaluate import evaluate_predictions
from remodal.prediction.patient import predict_patient
from remodal.registration.transforms import write_chain
from remodal.results.files import read_json, sha256
from remodal.results.records import Record, write_record

from .conftest import Study, images_of

#: Where the arterial phase was scanned: its own spacing and extent, obliquely.
SCANNED = tilted(
    Geometry(
        (24, 22, 40), (3.7, 5.2, 5.6), (-62.0, 78.0, -310.0), images_of("b")[1].geometry.direction
    ),
    rotation(4.0, -3.0, 6.0),
)
#: Angles about x, y, z (radians) and a shift (mm) about a centre.
TURN, SHIFT, CENTRE = (0.06, -0.04, 0.08), (5.0, -3.0, 7.0), (0.0, 40.0, -250.0)


@dataclass(frozen=True)
class Scanned:
    """A data set whose cases `b` and `c` were scanned on other grids, and case `b`'s file."""

    data: Path
    source: Path


@pytest.fixture(scope="module", params=["RAS", "PIL"])
def scanned(request, study, tmp_path_factory) -> Scanned:
    folder = tmp_path_factory.mktemp("data")
    for case in ("b", "c"):
        images, label = images_of(case)
        moving = np.full(SCANNED.shape, -1000, np.int16)
        body = moving[3:-3, 2:-2, 4:-4]
        body[:] = np.random.default_rng(ord(case)).normal(50, 40, body.shape)
        source = folder / f"sources/{case}.nii"
        write_volume(source, BY_CODE[request.param].store(Volume(moving, SCANNED)))
        converted = folder / "converted" / case / "arterial.nii.gz"
        convert_image(
            source, converted, converted.with_name("a.json"), case=case, modality="arterial"
        )
        registered = folder / "registered" / case
        write_volume(registered / "venous.nii.gz", images["venous"])
        write_volume(registered / "label-venous.nii.gz", label)
        name = "transform-arterial-0.txt"
        write_chain([euler()], [registered / name])
        details = {"fixed": "venous", "arterial": {"transforms": [name]}}
        record = Record(case=case, stage="register", details=details)
        write_record(registered / "registration.json", record)
    return Scanned(folder, folder / "sources/b.nii")


def euler() -> dict[str, tuple[str, ...]]:
    """The transform as elastix writes it."""
    return {
        "Transform": ("EulerTransform",),
        "TransformParameters": tuple(map(str, (*TURN, *SHIFT))),
        "HowToCombineTransforms": ("Add",),
        "CenterOfRotationPoint": tuple(map(str, CENTRE)),
        "ComputeZYX": ("false",),
    }


def by_simpleitk(label: Volume, grid: Geometry) -> np.ndarray:
    """The label on another grid, by the same transform."""
    transform = sitk.Euler3DTransform(CENTRE, *TURN, SHIFT)
    reference = to_sitk(Volume(np.zeros(grid.shape, np.uint8), grid))
    moved = sitk.Resample(to_sitk(label), reference, transform, sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(moved)


def infer(study: Study, data: Path | None, output: Path, method: str = "maml") -> dict:
    arguments = (study.preprocessed, study.splits, 0, output, data)
    infer_fold(study.settings, study.model(method), "arterial_native", *arguments)
    return read_json(output / "predictions.json")


@pytest.mark.parametrize("method", ["maml", "nnunet_arterial"])
def test_the_prediction_is_that_of_remodal_predict_to_the_voxel(study, scanned, tmp_path, method):
    infer(study, scanned.data, tmp_path, method)
    found = read_volume(tmp_path / "native/b.nii.gz")
    predict_patient(study.model(method), {"arterial": scanned.source}, tmp_path / "alone.nii.gz")
    alone = read_volume(tmp_path / "alone.nii.gz")
    assert found.geometry == alone.geometry
    assert found.geometry.agrees_with(read_volume(scanned.source).geometry)
    assert 0.01 < alone.array.mean() < 0.99
    np.testing.assert_array_equal(found.array, alone.array)


def test_the_segmentation_is_carried_onto_the_truth_and_measured_there(study, scanned, tmp_path):
    index = infer(study, scanned.data, tmp_path)
    assert index["modalities"] == ["arterial"]
    assert index["attention"] == []
    label = images_of("b")[1]
    found = read_volume(tmp_path / "b.nii.gz")
    assert found.geometry.agrees_with(label.geometry)
    assert index["cases"]["b"] == sha256(tmp_path / "b.nii.gz")
    wanted = by_simpleitk(read_volume(tmp_path / "native/b.nii.gz"), label.geometry)
    # Halfway between two voxels rounding decides.
    assert np.mean(found.array == wanted) > 0.999

    registered = scanned.data / "registered"
    output = tmp_path / "metrics.csv"
    evaluate_predictions(
        study.settings, tmp_path, registered, study.splits, output, tmp_path / "l.csv"
    )
    with open(output, encoding="utf-8") as file:
        measured = {row["case"]: float(row["dice"]) for row in csv.DictReader(file)}
    true, predicted = label.array == 2, wanted == 1
    dice = 2 * np.count_nonzero(true & predicted) / (true.sum() + predicted.sum())
    assert measured.keys() == {"b", "c"}
    assert measured["b"] == pytest.approx(100 * dice, abs=0.1)


def test_without_the_data_set_s_folder_nothing_is_predicted(study, tmp_path):
    with pytest.raises(UserError, match="native space reads the images as converted"):
        infer(study, None, tmp_path)


def test_an_image_that_cannot_be_prepared_by_itself_is_named(study, scanned, tmp_path):
    folder = tmp_path / "data"
    air = Volume(np.full(SCANNED.shape, -1000, np.int16), SCANNED)
    for case in ("b", "c"):
        write_volume(folder / f"converted/{case}/arterial.nii.gz", air)
    with pytest.raises(BadCase, match="b, arterial in native space: "):
        infer(study, folder, tmp_path / "out")
