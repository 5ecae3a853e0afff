"""Miniatures of the KiTS challenges of 2019, 2021 and 2023, as they are distributed."""

import numpy as np
import pytest
from tests import miniature

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.run.check import check_study

CLASSES = {"kidney": [1], "tumour": [2], "cyst": [3]}
#: Where each year's repository holds its cases, and what a label is called.
YEARS = {
    2019: ("data", "segmentation.nii.gz"),
    2021: ("kits21/data", "aggregated_MAJ_seg.nii.gz"),
    2023: ("dataset", "segmentation.nii.gz"),
}


@pytest.fixture
def repository(tmp_path):
    """Makes the repository of a year with three cases, the last one without a label."""

    def make(year):
        place, label = YEARS[year]
        folder = tmp_path / f"kits{year}"
        for number in range(3):
            case = folder / place / f"case_{number:05}"
            miniature.write(case / "imaging.nii.gz", miniature.image(number))
            if number < 2:
                values = (1, 2) if year == 2019 else (1, 2, 3)
                miniature.write(case / label, miniature.label(*values))
            if year == 2021:
                miniature.write(case / "aggregated_AND_seg.nii.gz", miniature.label(1))
                miniature.write(
                    case / "segmentations/kidney_instance-1_annotation-1.nii.gz", miniature.label(1)
                )
            if year == 2023:
                miniature.write(
                    case / "instances/kidney_instance-1_annotation-1.nii.gz", miniature.label(1)
                )
        (folder / place / "kits.json").write_text("[]")
        return folder

    return make


def study(folder, tmp_path, **changes):
    data = {"source": "kits", "modalities": ["ct"], "classes": CLASSES} | changes
    return miniature.study(folder, tmp_path / "config", **data)


@pytest.mark.parametrize("year", YEARS)
def test_the_cases_of_each_year_are_read(repository, tmp_path, year):
    settings = study(repository(year), tmp_path)
    cases = cases_of(settings)
    assert [(case.case, bool(case.labels)) for case in cases] == [
        ("case_00000", True),
        ("case_00001", True),
        ("case_00002", False),
    ]
    image, label = miniature.converted(cases[1], tmp_path / "made")
    np.testing.assert_array_equal(image, miniature.image(1))
    values = (1, 2) if year == 2019 else (1, 2, 3)
    np.testing.assert_array_equal(label, miniature.label(*values))
    said = "3 cases of 3 patients (1 unlabelled, left out), 1 method: ok"
    assert check_study(settings) == said


def test_a_case_whose_image_was_not_downloaded_is_named_by_its_conversion(repository, tmp_path):
    folder = repository(2019)
    missing = folder / "data/case_00000/imaging.nii.gz"
    missing.unlink()
    assert cases_of(study(folder, tmp_path))[0].images == {"ct": missing}


@pytest.mark.parametrize(
    ("named", "changes", "said"),
    [
        ("empty", {}, "empty: holds no case of KiTS; expected KiTS's case_00000/imaging.nii.gz"),
        (".", {}, "case_00000: is there twice, as .*; name the folder of one year"),
        ("kits2019", {"modalities": ["arterial", "venous"]}, "as KiTS has one image of each"),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(repository, tmp_path, named, changes, said):
    (tmp_path / "empty").mkdir()
    for year in (2019, 2023):
        repository(year)
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(tmp_path / named, tmp_path, **changes))
    assert "\n" not in str(told.value)
