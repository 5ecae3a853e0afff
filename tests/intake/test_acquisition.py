import numpy as np
import pytest

from remodal.errors import UserError
from remodal.intake.acquisition import acquisition, compare, intensity_range, summary

CT = summary(
    [
        {"modality": "CT", "range": [-1010.0, 700.0]},
        {"modality": "CT", "range": [-990.0, 300.0]},
        {"modality": "", "range": [-1000.0, 400.0]},
    ]
)


def image(modality, lower, upper):
    return acquisition({"tags": {"Modality": modality}, "range": [lower, upper]})


def test_what_training_images_have_in_common():
    assert CT == {"modalities": ["CT"], "lower": [-1010, -990], "upper": [300, 700]}
    assert summary([{"modality": "", "range": None}]) == {"modalities": []}


def test_the_range_leaves_out_the_rarest_voxels():
    array = np.zeros((10, 100, 100), np.int16)
    array[0, 0] = 3071
    array[1] = -1000
    assert intensity_range(array) == [-1000.0, 0.0]


def test_another_modality_is_refused_and_both_are_named():
    expected = r"--venous: the image is MR, and the model was trained on CT; expected CT"
    with pytest.raises(UserError, match=expected):
        compare(image("MR", 0, 900), CT, "--venous")


def test_an_image_like_the_training_s_is_fine():
    assert compare(image("CT", -1000, 500), CT, "--venous") == []


def test_a_file_that_does_not_say_is_told():
    (said,) = compare(image("", -1000, 500), CT, "--venous")
    assert said == "the file does not say what made it; the model was trained on CT"


@pytest.mark.parametrize(
    ("lower", "upper"), [(0, 900), (-150, 400), (-1024, 9000), (-2048, 500), (-1024, -995)]
)
def test_intensities_that_cannot_be_the_training_s_are_told_loudly(lower, upper):
    *_, said = compare(image("", lower, upper), CT, "--venous")
    assert said.startswith("WARNING: the image is unlike those that the model was trained on")
    assert said.endswith("expected about -1010 to 700 HU")


def test_images_of_no_unit_vary_more():
    mr = summary({"modality": "MR", "range": [0.0, upper]} for upper in (300.0, 1500.0))
    for upper in (200.0, 2500.0):
        assert compare(image("MR", 0, upper), mr, "--t1") == []
    assert len(compare(image("", -1000, 500), mr, "--t1")) == 2


def test_a_model_that_does_not_say_is_told():
    assert "does not say what it was trained on" in compare(image("MR", 0, 1), None, "--t1")[0]
