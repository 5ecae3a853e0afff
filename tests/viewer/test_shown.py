import pytest

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.viewer.shown import only_study, what_to_show


def test_a_test_case_shows_the_truth_and_each_scenario_s_predictions_with_their_dice(shown):
    assert shown.facts == ["HCC", "test case of fold 0"]
    assert list(shown.images) == ["arterial", "venous"]
    assert list(shown.classes) == ["tumour"]
    found = {
        group.title: [(one.title, one.note) for one in group.segmentations]
        for group in shown.groups
    }
    assert found == {
        "Truth": [("Truth", "")],
        "both": [("nnUNet", "Dice 70.0 %"), ("MAML", "Dice 71.0 %")],
        "venous": [("MAML", "Dice 72.0 %")],
    }


def test_a_training_case_shows_its_truth_alone(study):
    shown = what_to_show(study, "c002")
    assert shown.facts == ["training case of fold 0"]
    assert [group.title for group in shown.groups] == ["Truth"]


@pytest.mark.parametrize("case", ["c003", "../../studies", "", "c001/../c001"])
def test_a_case_that_the_study_does_not_have_is_named_with_those_that_it_has(study, case):
    with pytest.raises(UserError, match=r"has no case .*; expected one of bad, c001, c002"):
        what_to_show(study, case)


def test_a_quarantined_case_is_refused_with_its_reason(study):
    with pytest.raises(UserError, match="quarantined: a slice is missing"):
        what_to_show(study, "bad")


def test_a_study_that_is_not_there_is_a_clear_mistake(tmp_path):
    with pytest.raises(UserError, match="there is no such study"):
        what_to_show(tmp_path, "c001")


def test_predictions_with_another_case_s_images_say_whose(tmp_path, make_study):
    study = make_study(tmp_path)
    folder = study / "predictions/maml/fold0-seed0/both"
    volume = read_volume(folder / "c001.nii.gz")
    write_volume(folder / "foreign-c002/c001.nii.gz", Volume(volume.array, volume.geometry))
    titles = [one.title for one in what_to_show(study, "c001").segmentations]
    assert "MAML, images of c002" in titles


def test_an_empty_prediction_of_a_failed_case_is_left_out(tmp_path, make_study):
    study = make_study(tmp_path)
    (study / "predictions/nnunet/fold0-seed0/both/c001.nii.gz").write_bytes(b"")
    titles = [one.title for one in what_to_show(study, "c001").segmentations]
    assert titles == ["Truth", "MAML", "MAML"]


def test_the_only_study_needs_no_name_but_one_of_several_does(study, tmp_path):
    assert only_study(study.parent) == study
    with pytest.raises(UserError, match="holds no study; expected the study after --study"):
        only_study(tmp_path)
