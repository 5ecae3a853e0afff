from math import isnan
from pathlib import Path

import numpy as np
import pytest

from remodal.errors import BadCase, FaultOfOurs, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.metrics import evaluate as evaluate_module
from remodal.metrics.cases import failed_cases, read_cases
from remodal.metrics.evaluate import evaluate_predictions
from remodal.metrics.lesion_table import read_lesions
from remodal.metrics.statistics import summarise
from remodal.results.files import write_json
from remodal.settings import DataSettings
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[2] / "config"
GEOMETRY = Geometry((4, 6, 8), (0.5, 0.5, 2.0), (3.0, 4.0, 5.0))


@pytest.fixture
def study(tmp_path):
    """One case with liver (1) and tumour (2) in the label, and its prediction, two voxels off."""
    label = np.zeros(GEOMETRY.shape, dtype=np.uint8)
    label[1:3, 1:5, 1:7] = 1
    label[1:3, 2:4, 2:4] = 2
    prediction = np.zeros_like(label)
    prediction[1:3, 2:4, 3:5] = 1
    write_volume(tmp_path / "registered/p1/label-venous.nii.gz", Volume(label, GEOMETRY))
    write_volume(tmp_path / "predictions/p1.nii.gz", Volume(prediction, GEOMETRY))
    write_json(tmp_path / "predictions/predictions.json", {"cases": ["p1"]})
    write_json(tmp_path / "splits.json", {"patients": {"p1": "patient7"}, "groups": {"p1": "HCC"}})
    return tmp_path


def two_cases(study):
    """The study with a second case, p2, whose files are those of the first."""
    for folder, name in (("registered/{}", "label-venous.nii.gz"), ("predictions", "{}.nii.gz")):
        first, second = (study / folder.format(c) / name.format(c) for c in ("p1", "p2"))
        second.parent.mkdir(exist_ok=True)
        second.write_bytes(first.read_bytes())
    names = {"p1": "patient7", "p2": "patient8"}
    write_json(study / "splits.json", {"patients": names, "groups": dict.fromkeys(names, "HCC")})
    return study


def test_a_case_that_could_not_be_predicted_is_undefined_with_its_reason(study):
    said = {"cases": ["p1"], "failed": {"p2": "a fault of ours (ValueError)"}}
    write_json(two_cases(study) / "predictions/predictions.json", said)
    evaluate(study)
    rows = read_cases(study / "metrics").set_index("case")
    assert isnan(rows.loc["p2", "dice"])
    assert (rows.loc["p2", "missed"], rows.loc["p2", "truth_voxels"]) == (0, 0)
    assert list(rows["failed"]) == ["", "a fault of ours (ValueError)"]
    assert rows.loc["p1", "dice"] > 0
    assert failed_cases(study / "metrics/maml/fold0-seed0/both.csv") == said["failed"]


def test_a_fault_in_measuring_one_case_leaves_the_others(study, monkeypatch, capsys):
    write_json(two_cases(study) / "predictions/predictions.json", {"cases": ["p1", "p2"]})
    volume_of = evaluate_module.read_volume

    def odd(path):
        if "p1" in str(path):
            raise ZeroDivisionError("secret")
        return volume_of(path)

    monkeypatch.setattr(evaluate_module, "read_volume", odd)
    with pytest.raises(ZeroDivisionError):
        evaluate(study)
    evaluate(study, quarantine=True)
    rows = read_cases(study / "metrics").set_index("case")
    assert rows.loc["p1", "failed"].startswith("a fault of ours (ZeroDivisionError)")
    assert isnan(rows.loc["p1", "dice"])
    assert rows.loc["p2", "dice"] > 0
    assert "ZeroDivisionError: secret" in capsys.readouterr().err


def test_a_fault_in_every_case_fails_the_job(study, monkeypatch):
    write_json(two_cases(study) / "predictions/predictions.json", {"cases": ["p1", "p2"]})
    monkeypatch.setattr(evaluate_module, "read_volume", lambda path: 1 / 0)
    with pytest.raises(FaultOfOurs, match="every case"):
        evaluate(study, quarantine=True)


def test_a_fault_in_an_only_case_is_raised_as_it_is(study, monkeypatch):
    """It is not put down to the case, as one in every case is not."""
    monkeypatch.setattr(evaluate_module, "read_volume", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(study, quarantine=True)


def settings_of(**overrides):
    return compose({"study": "liver", "preset": "smoke"}, CONFIG, overrides)


def evaluate(study, settings=None, name="maml/fold0-seed0/both.csv", **options):
    output = study / "metrics" / name
    evaluate_predictions(
        settings or settings_of(),
        study / "predictions",
        study / "registered",
        study / "splits.json",
        output,
        output.parent / "lesions" / output.name,
        **options,
    )
    return output


def test_measures_the_region_that_the_settings_map(study):
    """Tumour 2 x 2 x 2 voxels, the prediction shifted by one voxel of 0.5 mm."""
    evaluate(study)
    (row,) = read_cases(study / "metrics").to_dict("records")
    assert (row["case"], row["patient"], row["group"]) == ("p1", "patient7", "HCC")
    assert row["region"] == "tumour"
    assert row["dice"] == 50
    assert row["jaccard"] == pytest.approx(100 / 3, abs=1e-6)
    assert row["rvd"] == 0
    assert (row["assd_voxel"], row["assd_mm"]) == (0.5, 0.25)
    assert (row["intersection"], row["prediction_voxels"], row["truth_voxels"]) == (4, 8, 8)
    assert (row["lesions"], row["lesions_found"], row["missed"]) == (1, 1, 0)


def test_each_true_lesion_of_a_case_has_a_row(study):
    evaluate(study)
    (row,) = read_lesions(study / "metrics").to_dict("records")
    assert (row["method"], row["fold"], row["seed"]) == ("maml", 0, 0)
    assert (row["scenario"], row["case"], row["patient"]) == ("both", "p1", "patient7")
    assert (row["group"], row["region"], row["lesion"]) == ("HCC", "tumour", 1)
    # 2 x 2 x 2 voxels of 0.5 mm^3, half of them predicted.
    assert (row["volume_ml"], row["found"], row["dice"]) == (0.004, 1, 0.5)


def test_each_class_is_a_region_unless_regions_are_named(study):
    evaluate(study, settings_of(data={"classes": {"tumour": [2], "liver": [1]}}))
    cases = read_cases(study / "metrics")
    assert list(cases["region"]) == ["tumour", "liver"]
    assert list(cases["truth_voxels"]) == [8, 40]
    assert list(cases["prediction_voxels"]) == [8, 0]


def test_regions_are_unions_of_classes_and_may_lie_in_one_another(study):
    """The three regions of BraTS: in the label the parts 1, 2 and 4, predicted as 1, 2 and 3."""
    label, prediction = np.zeros((2, *GEOMETRY.shape), dtype=np.uint8)
    label[1, 1:5, 1:7] = 1  # 24 voxels, of which
    label[1, 1:4, 1:4] = 2  # 9
    label[1, 1:3, 1:2] = 4  # 2
    prediction[1, 1:5, 1:6] = 1  # 20
    prediction[1, 1:4, 1:3] = 2  # 6
    prediction[1, 1:2, 1:3] = 3  # 2
    write_volume(study / "registered/p1/label-venous.nii.gz", Volume(label, GEOMETRY))
    write_volume(study / "predictions/p1.nii.gz", Volume(prediction, GEOMETRY))
    parts = {"edema": [1], "necrosis": [2], "enhancing": [4]}
    regions = {
        "whole_tumour": ["edema", "necrosis", "enhancing"],
        "tumour_core": ["necrosis", "enhancing"],
        "enhancing_tumour": ["enhancing"],
    }
    settings = settings_of()
    data = settings.data.model_dump() | {"classes": parts, "regions": regions}
    data = DataSettings.model_validate(data)
    evaluate(study, settings.model_copy(update={"data": data}))
    cases = read_cases(study / "metrics")
    assert sorted(cases["region"]) == sorted(regions)
    found = cases.set_index("region")[["intersection", "prediction_voxels", "truth_voxels"]]
    assert found.loc["whole_tumour"].to_list() == [20, 20, 24]
    assert found.loc["tumour_core"].to_list() == [6, 6, 9]
    assert found.loc["enhancing_tumour"].to_list() == [1, 2, 2]
    dice = cases.set_index("region")["dice"]
    assert dice["tumour_core"] == pytest.approx(200 * 6 / 15, abs=1e-6)
    assert dice["enhancing_tumour"] == 50


def per_image(**overrides):
    """The liver study, changed so that each image has its own truth."""
    scenario = {"both": {"present": ["arterial", "venous"], "target": "arterial"}}
    return settings_of(data={"truth": "image"}, scenarios=scenario, **overrides)


def test_a_prediction_is_measured_by_the_label_of_the_image_that_was_segmented(study):
    label = np.zeros(GEOMETRY.shape, dtype=np.uint8)
    label[1:3, 2:4, 3:5] = 2  # just what is predicted
    write_volume(study / "registered/p1/label-arterial.nii.gz", Volume(label, GEOMETRY))
    for target, dice in (("arterial", 100), ("venous", 50)):
        said = {"cases": {"p1": ""}, "target": target}
        write_json(study / "predictions/predictions.json", said)
        evaluate(study, per_image())
        (row,) = read_cases(study / "metrics").to_dict("records")
        assert row["dice"] == dice


def test_a_case_with_foreign_images_has_a_row_for_each_case_that_they_are_of(study):
    """With the images of p2 the prediction is right, with those of p3 it is empty."""
    label = read_volume(study / "registered/p1/label-venous.nii.gz")
    right = label.with_array((label.array == 2).astype(np.uint8))
    write_volume(study / "predictions/foreign-p2/p1.nii.gz", right)
    nothing = label.with_array(np.zeros_like(label.array))
    write_volume(study / "predictions/foreign-p3/p1.nii.gz", nothing)
    said = {"cases": {}, "pairs": {"p1": {"p3": "", "p2": ""}}}
    write_json(study / "predictions/predictions.json", said)
    path = evaluate(study)
    assert path.read_text().startswith("case,patient,group,region,foreign,dice,")
    rows = read_cases(study / "metrics")
    assert list(zip(rows["case"], rows["foreign"], rows["dice"])) == [
        ("p1", "p2", 100.0),
        ("p1", "p3", 0.0),
    ]
    summary = summarise(rows, "dice")
    assert (summary.mean, summary.n, summary.missed) == (50.0, 1, 1)


def test_an_empty_prediction_is_missed_and_undefined(study):
    nothing = Volume(np.zeros(GEOMETRY.shape, dtype=np.uint8), GEOMETRY)
    write_volume(study / "predictions/p1.nii.gz", nothing)
    evaluate(study)
    (row,) = read_cases(study / "metrics").to_dict("records")
    assert (row["dice"], row["missed"]) == (0, 1)
    assert isnan(row["assd_voxel"])
    assert isnan(row["hd95_mm"])


def test_the_same_inputs_give_the_same_bytes(study):
    first = evaluate(study, name="maml/fold0-seed0/a.csv").read_bytes()
    assert first == evaluate(study, name="maml/fold0-seed0/b.csv").read_bytes()


def test_only_the_metrics_asked_for(study):
    evaluate(study, settings_of(metrics={"names": ["asd_mm", "dice"]}))
    columns = list(read_cases(study / "metrics").columns)
    assert columns[8:10] == ["asd_mm", "dice"]
    assert "hd95_mm" not in columns


@pytest.mark.parametrize(
    ("name", "line"),
    [("dise", "unknown metric `dise`"), ("dice_global", "has no value for a single case")],
)
def test_a_metric_that_a_case_has_not(study, name, line):
    with pytest.raises(UserError, match=line):
        evaluate(study, settings_of(metrics={"names": [name]}))


def test_a_prediction_on_another_grid(study):
    other = Geometry((4, 6, 8), (0.5, 0.5, 2.5), (3.0, 4.0, 5.0))
    write_volume(
        study / "predictions/p1.nii.gz", Volume(np.zeros(other.shape, dtype=np.uint8), other)
    )
    with pytest.raises(BadCase, match="p1: the prediction is on another grid"):
        evaluate(study)


def test_no_predictions(study):
    (study / "predictions/predictions.json").unlink()
    with pytest.raises(UserError, match="run the infer stage"):
        evaluate(study)
