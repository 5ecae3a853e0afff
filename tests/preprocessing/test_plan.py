"""The plan of a study, measured on its registered training cases."""

import pytest
import yaml
from tests.orientations import BY_CODE

from remodal.errors import UserError
from remodal.intake.nifti import read_volume, write_volume
from remodal.planning.plan import plan
from remodal.preprocessing.plan import plan_study
from remodal.results.records import Record, write_record
from remodal.settings.composition import compose
from remodal.settings.places import REPOSITORY
from remodal.settings.plan_file import plan_of


def study(**changes):
    config = {"study": "liver", "preset": "paper", "network": "auto"} | changes
    return compose(config, REPOSITORY / "config")


def test_training_cases_are_planned_for_as_they_are_after_the_crop(registered, splits):
    made, text = plan_study(study(preprocessing={"crop": "none"}), splits, registered)
    # Cases a and b train; see conftest.
    demand = made.network.planned
    assert (demand.cases, demand.gpu_memory) == (2, 8.0)
    assert 2 < demand.times < 3
    expected = plan(
        [[2.0, 1.0, 1.0], [1.9, 1.0, 1.1]],
        [[20, 24, 28]] * 2,
        classes=1,
        gpu_memory=8 / demand.times,
    )
    assert made.recipe.patch == expected.patch
    assert (made.recipe.batch, made.network.strides) == (expected.batch, list(expected.strides))
    assert made.preprocessing.spacing == pytest.approx((1.95, 1.0, 1.05))
    assert plan_of(yaml.safe_load(text), "the file") == made
    assert "from 2 training cases" in text
    assert (
        f"8 GB, of which {demand.method} needs {demand.times:g} times what one U-Net does" in text
    )
    crop = {"crop": {"mask": {"label": [1, 2]}}}
    native = {"arterial_native": {"space": "registered"}}  # has no mask to crop by
    settings = study(preprocessing=crop, scenarios=native)
    cropped, text = plan_study(settings, splits, registered)
    assert "10 x 12 x 14 (z, y, x)" in text
    assert cropped.recipe.patch == (10, 12, 14)


@pytest.mark.parametrize("crop", ["none", "body"])
def test_the_plan_hangs_not_on_how_the_images_are_stored(registered, splits, crop):
    """Coronal, sagittal or from head to foot: the same plan."""
    settings = study(preprocessing={"crop": crop})
    expected, _ = plan_study(settings, splits, registered)
    for case, code in (("a", "LSA"), ("b", "PIR")):
        for path in (registered / case).glob("*.nii.gz"):
            write_volume(path, BY_CODE[code].store(read_volume(path)))
    assert plan_study(settings, splits, registered)[0] == expected


def test_a_spacing_of_the_study_s_own_is_planned_with(registered, splits):
    settings = study(preprocessing={"crop": "none", "spacing": [2, 2, 2]})
    made, _ = plan_study(settings, splits, registered)
    assert made.preprocessing.spacing == (2, 2, 2)


def test_a_case_that_cannot_be_cropped_is_left_out(registered, splits, capsys):
    for case in ("a", "b"):
        blank = Record(case=case, stage="register", status="quarantined", reason="no body")
        write_record(registered / case / "registration.json", blank)
        if case == "a":
            _, text = plan_study(study(), splits, registered)
            assert "from 1 training case," in text
            assert "a is left out of the plan" in capsys.readouterr().err
    with pytest.raises(UserError, match="no training case can be used"):
        plan_study(study(), splits, registered)


def test_a_smaller_gpu_gets_a_smaller_plan(registered, splits):
    network = {"plan": "auto", "gpu_memory": 0.02}
    small, _ = plan_study(study(network=network), splits, registered)
    usual, _ = plan_study(study(), splits, registered)
    assert small.recipe.patch < usual.recipe.patch


def test_a_study_of_single_u_nets_gets_what_nnu_net_plans(registered, splits):
    settings = study(preprocessing={"crop": "none"}, network={"plan": "auto", "gpu_memory": 0.02})
    one = {"nnunet": settings.methods["nnunet"]}
    made, text = plan_study(settings.model_copy(update={"methods": one}), splits, registered)
    spacings, shapes = [[2.0, 1.0, 1.0], [1.9, 1.0, 1.1]], [[20, 24, 28]] * 2
    expected = plan(spacings, shapes, classes=1, gpu_memory=0.02)
    assert (made.recipe.patch, made.network.kernels) == (expected.patch, list(expected.kernels))
    assert "one U-Net does" not in text
    with_all, _ = plan_study(settings, splits, registered)
    assert with_all.recipe.patch < expected.patch
