"""Pictures show cases that are chosen by a rule."""

import shutil

import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.report.figures import attention_examples, failure_examples, single_modality_rivals
from remodal.report.tables import study_cases
from remodal.report.views import Source, View
from remodal.settings.composition import compose


@pytest.fixture(scope="module")
def source(whole_study):
    return Source(*whole_study)


@pytest.fixture(scope="module")
def cases(source):
    return study_cases(source.settings, source.study / "metrics")


@pytest.fixture(scope="module")
def failures(source, cases):
    return failure_examples(source, cases)


@pytest.fixture(scope="module")
def attention(source, cases):
    return attention_examples(source, cases)


def dice(cases, method, scenario):
    cell = cases[(cases["method"] == method) & (cases["scenario"] == scenario)]
    return cell.set_index("case")["dice"]


def test_rivals_follow_from_the_tables(settings):
    assert single_modality_rivals(settings) == {
        "arterial": ("nnunet_arterial", "maml"),
        "venous": ("nnunet_venous", "maml"),
    }


def test_a_rival_is_a_method_of_that_modality_alone_if_the_table_has_one():
    settings = compose({"study": "brats", "preset": "smoke"})
    assert single_modality_rivals(settings) == {"t1ce": ("nnunet_t1ce", "maml")}


def test_the_case_with_the_largest_gain_is_shown_for_each_phase(failures, cases):
    assert [example.scenario for example in failures] == ["arterial", "venous"]
    for example in failures:
        gain = dice(cases, "maml", example.scenario) - dice(
            cases, f"nnunet_{example.scenario}", example.scenario
        )
        assert gain.idxmax() in example.heading


def test_a_failure_shows_both_phases_with_image_truth_rival_and_ours(failures):
    assert [row.heading for row in failures[0].rows] == ["Arterial", "Venous"]
    for row in failures[0].rows:
        headings = [panel.heading for panel in row.panels]
        assert headings == [
            "CT image",
            "Ground truth",
            "Single modality: nnUNet",
            "Ours: MAML",
        ]
        assert all(panel.source.startswith("data:image/png") for panel in row.panels)


def test_no_gain_means_no_example(source, cases):
    worse = cases.copy()
    worse.loc[worse["method"] == "maml", "dice"] = 0.0
    assert failure_examples(source, worse) == []


def test_a_case_without_both_predictions_is_not_chosen(source, cases):
    chosen = cases.copy()
    chosen.loc[:, "case"] = chosen["case"].str.replace("patient", "absent")
    assert failure_examples(source, chosen) == []
    assert attention_examples(source, chosen) == []


def test_attention_is_of_the_best_cases_of_different_groups(attention, cases):
    assert len(attention) == 2
    best = dice(cases, "maml", "both").idxmax()
    assert best in attention[0].heading
    groups = [example.heading.rpartition(", ")[2] for example in attention]
    assert groups[0] != groups[1]
    for row in attention[0].rows:
        assert [panel.heading for panel in row.panels] == ["CT image", "Attention map", "Output"]


def test_both_phases_of_a_case_share_one_attention_scale(attention):
    notes = {row.panels[1].note for row in attention[0].rows}
    assert notes == {"dark 0.35, bright 0.85"}


@pytest.fixture
def with_level_sets(whole_study, tmp_path):
    """The study whose only maps are level sets of the single-phase model, of one modality."""
    settings, study, data = whole_study
    shutil.copytree(study / "predictions", tmp_path / "predictions")
    for folder in tmp_path.glob("predictions/**/attention-*"):
        shutil.rmtree(folder)
    folder = tmp_path / "predictions/nnunet_venous/fold0-seed0/venous"
    for path in list(folder.glob("*.nii.gz")):
        mask = read_volume(path)
        values = np.where(mask.array > 0, -0.5, 0.75).astype(np.float32)
        write_volume(folder / "attention-level_set" / path.name, mask.with_array(values))
    return Source(settings, tmp_path, data)


def test_a_level_set_is_known_by_its_values_and_shown_about_zero(with_level_sets, cases):
    examples = attention_examples(with_level_sets, cases)
    assert [example.scenario for example in examples] == ["venous", "venous"]
    assert all(example.signed for example in examples)
    (row,) = examples[0].rows
    assert row.heading == "Level set"
    assert [panel.heading for panel in row.panels] == ["CT image", "Level set", "Output"]
    assert row.panels[1].note == "red −0.75, blue 0.75"


def test_attention_is_not_taken_for_a_level_set(attention):
    assert not any(example.signed or example.named for example in attention)


def test_a_map_of_no_image_has_its_own_name_and_scale(whole_study, tmp_path, cases):
    settings, study, data = whole_study
    shutil.copytree(study / "predictions", tmp_path / "predictions")
    folder = tmp_path / "predictions/maml/fold0-seed0/both"
    for path in list(folder.glob("*.nii.gz")):
        mask = read_volume(path)
        values = np.where(mask.array > 0, 1, 0).astype(np.float32)
        write_volume(folder / "attention-certainty" / path.name, mask.with_array(values))
    example, _ = attention_examples(Source(settings, tmp_path, data), cases)
    assert example.named
    shown = {row.heading: row.panels[1] for row in example.rows}
    assert list(shown) == ["Arterial", "Venous", "Certainty"]
    assert shown["Certainty"].heading == "Map"
    assert shown["Certainty"].note == "dark 0.00, bright 1.00"
    assert shown["Venous"].note == "dark 0.35, bright 0.85"


def test_an_undefined_dice_is_never_the_largest_gain(source, cases):
    undefined = cases.copy()
    first = undefined["case"] == undefined["case"].iloc[0]
    undefined.loc[first, "dice"] = np.nan
    names = [example.heading for example in failure_examples(source, undefined)]
    assert names
    assert not any(undefined["case"].iloc[0] in name for name in names)


def test_a_view_has_a_mask_for_each_region_of_truth_and_prediction(make_settings, tmp_path):
    """Parts 1 and 2 in the label; predicted as indices 1 and 2, the core one voxel too small."""
    geometry = Geometry((2, 8, 8), (1.0, 1.0, 1.0))
    label, predicted = np.zeros((2, *geometry.shape), np.uint8)
    label[1, 2:6, 2:6] = 1
    label[1, 3:5, 3:5] = 2
    predicted[1, 2:6, 2:6] = 2
    predicted[1, 3, 3] = 1
    settings = make_settings(
        data={
            "classes": {"tumour": [2], "edema": [1]},
            "regions": {"whole": ["edema", "tumour"], "core": ["tumour"]},
        }
    )
    source = Source(settings, tmp_path / "study", tmp_path / "data")
    write_volume(source.label("a", "venous"), Volume(label, geometry))
    write_volume(tmp_path / "predictions" / "a.nii.gz", Volume(predicted, geometry))
    view = View(source, "a", "venous")
    assert [int(mask.sum()) for mask in view.truth("arterial")] == [16, 4]
    assert [int(mask.sum()) for mask in view.prediction(tmp_path / "predictions")] == [16, 1]


def test_each_image_is_shown_with_its_own_truth_where_it_has_one(make_settings, tmp_path):
    geometry = Geometry((3, 8, 8), (1.0, 1.0, 1.0))
    settings = make_settings()
    each = settings.data.model_copy(update={"truth": "image"})
    source = Source(settings.model_copy(update={"data": each}), tmp_path / "study", tmp_path)
    for plane, modality in enumerate(("arterial", "venous")):
        label = np.zeros(geometry.shape, np.uint8)
        label[plane, : 3 + plane, :3] = 2
        write_volume(source.label("a", modality), Volume(label, geometry))
        write_volume(source.image("a", modality), Volume(label, geometry))
    assert source.has_images("a")
    for modality, voxels in (("arterial", 9), ("venous", 12)):
        view = View(source, "a", modality)
        (truth,) = view.truth(modality)
        assert truth.sum() == voxels
        shown = view.crop(truth)
        assert shown.any()
        other = "venous" if modality == "arterial" else "arterial"
        assert not view.crop(view.truth(other)[0]).any()
    source.label("a", "arterial").write_bytes(b"")
    assert not source.has_images("a")
