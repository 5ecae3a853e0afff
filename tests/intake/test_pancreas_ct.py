from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.pancreas_ct import find_cases

LABELS = "TCIA_pancreas_labels-02-05-2017"
NBIA = "11-24-2015-PANCREAS{0:04d}-Pancreas-18957/Pancreas-99667/1-001.dcm"
UIDS = "1.2.826.0.1.3680043.2.1125.1.38381854/1.2.826.0.1.3680043.2.1125.1.68878959/000001.dcm"


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("root", "slices", "labels", "suffix"),
    [
        ("manifest-1599750808610/Pancreas-CT", NBIA, LABELS, ".nii.gz"),
        ("Pancreas-CT", UIDS, f"{LABELS}/{LABELS}", ".nii"),
        ("DOI", UIDS, "labels", ".nii.gz"),
    ],
)
def test_cases_are_found_whatever_the_folders_of_a_download_are_called(
    root, slices, labels, suffix, tmp_path
):
    for number in (7, 3):
        _touch(tmp_path / root / f"PANCREAS_{number:04d}" / slices.format(number))
        _touch(tmp_path / labels / f"label{number:04d}{suffix}")
    first, second = find_cases(tmp_path)
    assert (first.name, first.patient, second.name) == ("PANCREAS_0003", *(first.name, second.name))
    assert first.series == tmp_path / root / "PANCREAS_0003"
    assert first.label == tmp_path / labels / f"label0003{suffix}"


def test_the_withdrawn_cases_are_the_patient_of_case_2(tmp_path):
    for number in (2, 3, 25, 70):
        _touch(tmp_path / f"PANCREAS_{number:04d}" / UIDS)
    patients = {case.name[-4:]: case.patient[-4:] for case in find_cases(tmp_path)}
    assert patients == {"0002": "0002", "0003": "0003", "0025": "0002", "0070": "0002"}


def test_all_82_labels_beside_today_s_80_series_give_80_cases(tmp_path):
    for number in range(1, 83):
        _touch(tmp_path / LABELS / f"label{number:04d}.nii.gz")
        if number not in (25, 70):
            _touch(tmp_path / "Pancreas-CT" / f"PANCREAS_{number:04d}" / UIDS)
    cases = find_cases(tmp_path)
    assert len(cases) == len({case.patient for case in cases}) == 80
    assert all(case.label for case in cases)


def test_a_label_without_a_series_is_a_case_whose_image_is_missing(tmp_path):
    _touch(tmp_path / "Pancreas-CT" / "PANCREAS_0001" / UIDS)
    _touch(tmp_path / LABELS / "label0002.nii.gz")
    unlabelled, missing = find_cases(tmp_path)
    assert unlabelled.label is None
    assert missing.series == tmp_path / "Pancreas-CT" / "PANCREAS_0002"
    assert not missing.series.exists()


def test_a_case_that_is_there_twice_is_a_clear_error(tmp_path):
    for root in ("old", "new"):
        _touch(tmp_path / root / "PANCREAS_0001" / UIDS)
    with pytest.raises(UserError, match=r"`PANCREAS_0001` is there twice, in .*new and .*old"):
        find_cases(tmp_path)


def test_another_folder_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        find_cases(tmp_path / "nowhere")
    _touch(tmp_path / "BraTS20_Training_001" / "flair.nii.gz")
    with pytest.raises(UserError, match="is no folder of Pancreas-CT"):
        find_cases(tmp_path)
