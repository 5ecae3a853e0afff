import pytest

from remodal.errors import UserError
from remodal.intake.convert import convert_image
from remodal.intake.datasets import cases_of


@pytest.fixture
def folder(tmp_path):
    """Two cases, one of them without a label; the series are empty."""
    for number in (1, 2):
        (tmp_path / f"Pancreas-CT/PANCREAS_{number:04d}/study/series").mkdir(parents=True)
    labels = tmp_path / "TCIA_pancreas_labels-02-05-2017"
    labels.mkdir()
    (labels / "label0002.nii.gz").touch()
    return tmp_path


def test_a_folder_of_pancreas_ct_is_a_data_set(folder, pancreas_study):
    unlabelled, labelled = cases_of(pancreas_study({"source": "pancreas_ct", "folder": folder}))
    assert (unlabelled.case, unlabelled.patient, unlabelled.group) == (*["PANCREAS_0001"] * 2, "")
    assert unlabelled.labels == {}
    assert labelled.images == {"ct": folder / "Pancreas-CT/PANCREAS_0002"}
    label = labelled.labels["ct"]
    assert label.files == (folder / "TCIA_pancreas_labels-02-05-2017/label0002.nii.gz",)
    assert label.by_slice_number
    assert label.renumbered == ((1, 1),)


def test_a_case_without_its_series_is_told_in_one_line(folder, pancreas_study, tmp_path):
    (folder / "TCIA_pancreas_labels-02-05-2017/label0003.nii.gz").touch()
    cases = cases_of(pancreas_study({"source": "pancreas_ct", "folder": folder}))
    reasons = []
    for case in (cases[0], cases[2]):
        record = convert_image(
            case.images["ct"],
            tmp_path / "ct.nii.gz",
            tmp_path / "ct.json",
            case=case.case,
            modality="ct",
            quarantine=True,
        )
        reasons.append(record.reason)
    assert reasons[0].startswith("PANCREAS_0001, ct: the folder is empty")
    assert reasons[1].startswith("PANCREAS_0003, ct: there is no such image")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "data.folder: no folder is named"),
        ({"folder": "nowhere"}, "there is no such folder"),
        ({"modalities": ["mr"]}, "`mr` is no image of Pancreas-CT; expected ct"),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(data, said, pancreas_study):
    with pytest.raises(UserError, match=said):
        cases_of(pancreas_study({"source": "pancreas_ct"} | data))
