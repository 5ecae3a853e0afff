"""From the hospital's files to Dice: how a case is stored changes neither, in all 48 orientations.

The network's weights are random; its foreground is as good as any to be found again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.orientations import LPS, ORIENTATIONS, Orientation, each_orientation, rotation, tilted

from remodal.geometry.orientation import Orientation as CanonicalOrientation
from remodal.geometry.volume import Geometry, Volume
from remodal.inference.fold import infer_fold
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets.phantom import LAYOUTS, MODALITIES
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_geometry, read_volume, write_volume
from remodal.intake.simulation import simulation_options
from remodal.metrics.evaluate import evaluate_predictions
from remodal.phantom.dual_phase import simulate_patient
from remodal.preprocessing import preprocess_case
from remodal.registration.case import register_case
from remodal.results.files import write_json

from .conftest import Study, images_of

#: As an oblique acquisition stores it.
GRID = tilted(
    Geometry((26, 20, 36), (4.0, 5.0, 6.0), (-60.0, 80.0, -300.0)), rotation(15.0, -10.0, 20.0)
)


@dataclass(frozen=True)
class Outcome:
    """A case's prediction, where its venous image lies, and what was measured."""

    source: Geometry
    prediction: Volume
    metrics: list[str]


def through_the_pipeline(
    study: Study, method: str, sources: Mapping[str, Path], folder: Path
) -> Outcome:
    """Case `b`, given as files of both phases and the label, up to its metrics."""
    registration = study.settings.registration.model_copy(update={"method": method})
    settings = study.settings.model_copy(update={"registration": registration})
    converted, registered = folder / "converted", folder / "registered"
    preprocessed, predictions = folder / "preprocessed/fold0", folder / "predictions"
    for name in ("arterial", "venous"):
        image, record = converted / f"{name}.nii.gz", converted / f"{name}.json"
        convert_image(sources[name], image, record, case="b", modality=name)
    reference = converted / "venous.json", converted / "venous.nii.gz"
    target = converted / "label-venous.nii.gz", converted / "label-venous.json"
    convert_label(
        LabelSource((sources["label"],)), *reference, *target, case="b", drawn_on="venous"
    )
    register_case(settings, "b", converted, registered / "b", labels=["venous"])
    fingerprint = study.fingerprint
    preprocess_case(settings, "b", registered / "b", [fingerprint], preprocessed.parent)
    splits = folder / "splits.json"
    fold = {"train": ["a"], "validation": [], "test": ["b"]}
    modalities = {"a": ["arterial", "venous"], "b": ["arterial", "venous"]}
    patients, labels = {"a": "a", "b": "b"}, {"a": ["venous"], "b": ["venous"]}
    sets = {"folds": [fold], "patients": patients, "modalities": modalities, "labels": labels}
    write_json(splits, sets)
    infer_fold(settings, study.model("maml"), "both", preprocessed, splits, 0, predictions)
    tables = folder / "metrics.csv", folder / "lesions.csv"
    evaluate_predictions(settings, predictions, registered, splits, *tables)
    return Outcome(
        read_geometry(converted / "venous.nii.gz"),
        read_volume(predictions / "b.nii.gz"),
        (folder / "metrics.csv").read_text().replace("\n", ",").split(","),
    )


def stored(orientation: Orientation, of_label: Orientation, folder: Path) -> dict[str, Path]:
    """Files of a case whose phases share one grid."""
    images, label = images_of("b")
    sources = {name: folder / f"{name}.nii" for name in ("arterial", "venous", "label")}
    for name, volume in images.items():
        write_volume(sources[name], orientation.store(Volume(volume.array, GRID)))
    write_volume(sources["label"], of_label.store(Volume(label.array, GRID)))
    return sources


@pytest.fixture(scope="module")
def in_lps(study, tmp_path_factory) -> Outcome:
    folder = tmp_path_factory.mktemp("lps")
    outcome = through_the_pipeline(study, "none", stored(LPS, LPS, folder), folder)
    assert 0.01 < outcome.prediction.array.mean() < 0.99
    return outcome


@each_orientation(quick_every=6)
def test_a_case_has_the_same_dice_however_it_is_stored(study, in_lps, tmp_path, orientation):
    label_orientation = ORIENTATIONS[(7 * ORIENTATIONS.index(orientation) + 5) % 48]
    sources = stored(orientation, label_orientation, tmp_path)
    found = through_the_pipeline(study, "none", sources, tmp_path)
    assert found.prediction.geometry.agrees_with(orientation.of(GRID))
    assert found.prediction.geometry.agrees_with(found.source)
    # Positions are float32 in a file: a tie between two classes may go either way.
    assert np.mean(orientation.undo(found.prediction.array) == in_lps.prediction.array) > 0.9999
    assert len(found.metrics) == len(in_lps.metrics)
    for cell, wanted in zip(found.metrics, in_lps.metrics):
        if "." in wanted:
            assert float(cell) == pytest.approx(float(wanted), abs=2e-3)


@pytest.mark.slow
def test_a_simulated_patient_has_the_same_dice_in_every_layout(study, tmp_path):
    """DICOM and files, oblique and in other axis orders, both phases alike or not, registered."""
    dice, predictions = {}, {}
    for name, layout in LAYOUTS.items():
        folder = tmp_path / name
        options = simulation_options(study.settings).model_copy(update={"layouts": [name]})
        simulate_patient(options, 0, folder)
        sources = {modality: folder / layout.file_of(modality) for modality in MODALITIES}
        sources["label"] = folder / layout.label
        found = through_the_pipeline(study, "elastix", sources, folder)
        assert found.prediction.geometry.agrees_with(found.source)
        header, row = found.metrics[: len(found.metrics) // 2], found.metrics
        dice[name] = float(row[len(header) + header.index("dice")])
        upright = CanonicalOrientation.of(found.source)
        predictions[name] = upright.apply(found.prediction.array)
    # In per cent. The samples that registration draws differ, and so does the arterial phase a bit.
    assert max(dice.values()) - min(dice.values()) < 0.2, dice
    for prediction in predictions.values():
        assert np.mean(prediction == predictions["axial"]) > 0.98
