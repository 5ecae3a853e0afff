"""A miniature of the AMOS challenge of 2022, as it is distributed."""

import json

import numpy as np
import pytest
from tests import miniature

from remodal.errors import BadCase, UserError
from remodal.intake.datasets import cases_of
from remodal.run.check import check_study

CLASSES = {"spleen": [1], "liver": [6]}
#: Cases of each set: CT up to 500, MR from there on.
SETS = {"Tr": (1, 4, 500, 507), "Va": (8, 540), "Ts": (2, 596)}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "amos22"
    for name, numbers in SETS.items():
        for number in numbers:
            file = f"amos_{number:04}.nii.gz"
            miniature.write(root / f"images{name}" / file, miniature.image(number))
            if name != "Ts":
                miniature.write(root / f"labels{name}" / file, miniature.label(1, 6, 15))
    (root / "imagesTr/._amos_0001.nii.gz").write_bytes(b"shadow")
    (root / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, "numTraining": 4}))
    return root


def study(folder, tmp_path, *modalities, **changes):
    data = {"source": "amos", "modalities": list(modalities), "classes": CLASSES} | changes
    return miniature.study(folder, tmp_path / "config", **data)


@pytest.mark.parametrize(
    ("modalities", "numbers"),
    [
        (["ct"], (1, 4, 8, 500)),
        (["mr"], (507, 540)),
        (["ct", "mr"], (1, 4, 8, 500, 507, 540)),
    ],
)
def test_a_study_takes_the_cases_of_its_modalities(folder, tmp_path, modalities, numbers):
    settings = study(folder, tmp_path, *modalities)
    cases = cases_of(settings)
    assert [case.case for case in cases] == [f"amos_{number:04}" for number in numbers]
    assert all(list(case.images) == list(case.labels) for case in cases)
    found = {case.case: list(case.images) for case in cases}
    assert all(found[name] == (["ct"] if name <= "amos_0500" else ["mr"]) for name in found)
    assert check_study(settings).startswith(f"{len(numbers)} cases of {len(numbers)} patients")


def test_a_label_holds_the_fifteen_organs_and_no_other_value(folder, tmp_path):
    case = cases_of(study(folder, tmp_path, "mr"))[0]
    image, label = miniature.converted(case, tmp_path / "made")
    np.testing.assert_array_equal(image, miniature.image(507))
    np.testing.assert_array_equal(label, miniature.label(1, 6, 15))
    miniature.write(folder / "labelsTr/amos_0507.nii.gz", miniature.label(16))
    with pytest.raises(BadCase, match="the unknown value 16"):
        miniature.converted(case, tmp_path / "made")


def test_images_for_testing_are_unlabelled_cases_where_such_cases_train(folder, tmp_path):
    settings = study(folder.parent, tmp_path, "ct", unlabelled="train")
    unlabelled = [case.case for case in cases_of(settings) if not case.labels]
    assert unlabelled == ["amos_0002"]


def test_another_folder_and_another_modality_are_told_in_one_line(folder, tmp_path):
    with pytest.raises(UserError, match=r"imagesTr: is no folder of AMOS; expected .* amos22"):
        cases_of(study(folder / "imagesTr", tmp_path, "ct"))
    with pytest.raises(UserError, match="`t1` is no image of AMOS; expected one of ct, mr"):
        cases_of(study(folder, tmp_path, "t1"))
