"""A miniature of the MM-WHS challenge of 2017, as it is distributed."""

import numpy as np
import pytest
from tests import miniature

from remodal.errors import BadCase, UserError
from remodal.intake.convert import convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.label_source import label_of_options
from remodal.run.check import check_study

CLASSES = {"left_atrium": [2], "left_ventricle": [3], "pulmonary_artery": [7]}
#: Values of the files, in the order in which they become 1 to 7.
VALUES = (205, 420, 500, 550, 600, 820, 850)


@pytest.fixture
def folder(tmp_path):
    """Both modalities as they were packed, with the images for testing."""
    root = tmp_path / "MM-WHS"
    for number, (modality, place) in enumerate(
        [("ct", "ct_train1"), ("ct", "ct_train2"), ("mr", "mr_train"), ("mr", "mr_train")]
    ):
        name = f"{modality}_train_{1001 + number}"
        miniature.write(root / place / f"{name}_image.nii.gz", miniature.image(number))
        label = miniature.label(*VALUES, dtype=np.int16)
        miniature.write(root / place / f"{name}_label.nii.gz", label)
    miniature.write(root / "ct_test/ct_test_2001_image.nii.gz", miniature.image())
    return root


def study(folder, tmp_path, *modalities, **changes):
    data = {"source": "mm_whs", "modalities": list(modalities), "classes": CLASSES} | changes
    return miniature.study(folder, tmp_path / "config", **data)


def test_a_study_takes_the_cases_of_its_modalities(folder, tmp_path):
    ct, mr = ["ct_train_1001", "ct_train_1002"], ["mr_train_1003", "mr_train_1004"]
    settings = study(folder, tmp_path, "ct")
    assert [case.case for case in cases_of(settings)] == ct
    assert check_study(settings) == "2 cases of 2 patients, 1 method: ok"
    assert [case.case for case in cases_of(study(folder, tmp_path, "mr"))] == mr
    assert [case.case for case in cases_of(study(folder, tmp_path, "ct", "mr"))] == ct + mr


def test_images_for_testing_are_unlabelled_cases_where_such_cases_train(folder, tmp_path):
    settings = study(folder, tmp_path, "ct", unlabelled="train")
    unlabelled = [case.case for case in cases_of(settings) if not case.labels]
    assert unlabelled == ["ct_test_2001"]


def test_the_values_of_the_label_become_one_to_seven(folder, tmp_path):
    """Also as the workflow passes them on: by the options of `remodal convert-label`."""
    case = cases_of(study(folder, tmp_path, "mr"))[0]
    image, label = miniature.converted(case, tmp_path / "made")
    np.testing.assert_array_equal(image, miniature.image(2))
    np.testing.assert_array_equal(label, miniature.label(*range(1, 8)))
    source = case.labels["mr"]
    options = [word.removeprefix("--renumber=") for word in source.options.split()]
    assert label_of_options(list(source.files), renumbered=options) == source


def test_a_few_voxels_of_421_are_left_atrium_and_another_value_is_a_bad_case(folder, tmp_path):
    case = cases_of(study(folder, tmp_path, "mr"))[0]
    file = case.labels["mr"].files[0]
    miniature.write(file, miniature.label(420, 421, dtype=np.int16))
    _, label = miniature.converted(case, tmp_path / "made")
    np.testing.assert_array_equal(label, miniature.label(2, 2))
    for value, said in ((421 + 1, "the unknown value 422"), (900, "from 0 to 900")):
        miniature.write(file, miniature.label(420, value, dtype=np.int16))
        made = tmp_path / "made"
        files = [made / name for name in ("mr.json", "mr.nii.gz", "label.nii.gz", "label.json")]
        with pytest.raises(BadCase, match=said):
            convert_label(case.labels["mr"], *files, case=case.case, drawn_on="mr")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("empty/readme.txt", "empty: holds no image of MM-WHS"),
        ("MM-WHS/copy/ct_train_1001_image.nii", "is there twice, as"),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(folder, tmp_path, make, said):
    (tmp_path / make).parent.mkdir()
    (tmp_path / make).touch()
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(tmp_path / make.partition("/")[0], tmp_path, "ct"))
    assert "\n" not in str(told.value)
