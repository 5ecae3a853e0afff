"""A miniature of the LiTS challenge, as it is distributed."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase, UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.settings import Settings
from remodal.settings.composition import validated

SHAPE = (6, 9, 8)


def write(path: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.7, 1.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def label(*values: int) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for place, value in enumerate(values, start=1):
        array[place, 2:5, 3:6] = value
    return array


@pytest.fixture
def folder(tmp_path):
    """Both batches, the images for testing, and files that are none of the challenge's."""
    rng = np.random.default_rng(0)
    places = {2: "Training Batch 1", 10: "Training Batch 2"}
    for number, batch in places.items():
        image = rng.normal(50, 40, SHAPE).astype(np.int16)
        write(tmp_path / batch / f"volume-{number}.nii", image)
        write(tmp_path / batch / f"segmentation-{number}.nii", label(1, 2))
    write(tmp_path / "Test/test-volume-0.nii", rng.normal(50, 40, SHAPE).astype(np.int16))
    (tmp_path / "Training Batch 1/._volume-2.nii").write_bytes(b"shadow")
    (tmp_path / "readme.txt").touch()
    return tmp_path


def study(folder: Path | None, *modalities: str, **changes) -> Settings:
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]
    names = list(modalities) or ["venous"]
    content = {
        "study": "lits",
        "preset": "paper",
        "title": "LiTS",
        "data": {
            **{"name": "lits", "source": "lits", "folder": folder, "modalities": names},
            **{"classes": {"liver": [1], "tumour": [2]}},
            **changes,
        },
        "registration": {"method": "none", "fixed": names[0]},
        "methods": {"mt": {"type": "mean_teacher", "recipe": {"pools": pools}}},
        "scenarios": {"all": {"present": names}},
    }
    return validated(content, "test")


def test_patients_are_found_in_the_order_of_their_numbers(folder):
    cases = cases_of(study(folder))
    assert [(case.case, case.patient) for case in cases] == [
        ("volume-2", "volume-2"),
        ("volume-10", "volume-10"),
    ]
    batch = folder / "Training Batch 2"
    assert cases[1].images == {"venous": batch / "volume-10.nii"}
    assert cases[1].labels["venous"].files == (batch / "segmentation-10.nii",)


def test_the_image_is_the_study_s_modality_whatever_its_name(folder):
    assert list(cases_of(study(folder, "ct"))[0].images) == ["ct"]


def test_images_for_testing_are_unlabelled_cases_where_such_cases_train(folder):
    cases = cases_of(study(folder, unlabelled="train"))
    assert [(case.case, bool(case.labels)) for case in cases] == [
        ("volume-2", True),
        ("volume-10", True),
        ("test-volume-0", False),
    ]


@pytest.mark.parametrize("values", [(1, 2), (1, 3)])
def test_a_label_of_liver_and_lesions_is_converted_and_any_other_is_a_bad_case(
    folder, tmp_path, values
):
    write(folder / "Training Batch 1/segmentation-2.nii", label(*values))
    case = cases_of(study(folder))[0]
    image, record = tmp_path / "image.nii.gz", tmp_path / "image.json"
    convert_image(case.images["venous"], image, record, case=case.case, modality="venous")
    files = (record, image, tmp_path / "label.nii.gz", tmp_path / "label.json")
    if values == (1, 3):
        with pytest.raises(BadCase, match="the unknown value 3; expected 0, 1, 2"):
            convert_label(case.labels["venous"], *files, case=case.case, drawn_on="venous")
        return
    convert_label(case.labels["venous"], *files, case=case.case, drawn_on="venous")
    np.testing.assert_array_equal(read_volume(files[2]).array, label(1, 2))


def test_a_patient_may_lack_a_label_and_one_without_an_image_is_quarantined(folder, tmp_path):
    (folder / "Training Batch 1/segmentation-2.nii").unlink()
    (folder / "Training Batch 2/volume-10.nii").unlink()
    without_label, without_image = cases_of(study(folder))
    assert without_label.labels == {}
    files = tmp_path / "image.nii.gz", tmp_path / "image.json"
    with pytest.raises(BadCase, match="volume-10, venous: there is no such image"):
        convert_image(
            without_image.images["venous"], *files, case=without_image.case, modality="venous"
        )


@pytest.mark.parametrize(
    ("named", "modalities", "said"),
    [
        (None, ["venous"], "data.folder: no folder is named"),
        ("nowhere", ["venous"], "nowhere: there is no such folder"),
        ("empty", ["venous"], "holds no file of LiTS; expected LiTS's volume-0.nii"),
        ("doubled", ["venous"], "volume-1.nii: is there twice, as .*volume-1.nii.gz too"),
        (".", ["arterial", "venous"], "data.modalities: 2 modalities; expected one, such as"),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(folder, named, modalities, said):
    (folder / "empty").mkdir()
    for part in ("a/volume-1.nii.gz", "b/volume-1.nii"):
        (folder / "doubled" / part).parent.mkdir(parents=True)
        (folder / "doubled" / part).touch()
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(folder / named if named else None, *modalities))
    assert "\n" not in str(told.value)
