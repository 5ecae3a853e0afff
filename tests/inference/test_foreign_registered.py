"""A foreign image that is registered to the case's fixed image before it is seen."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.inference.fold import infer_fold
from remodal.inference.foreign import centred_on
from remodal.inference.model import Segmenter
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing import restore_probabilities
from remodal.results.files import read_json
from remodal.settings import ScenarioSettings

from .conftest import Study, images_of

#: Where the other patient was scanned: far away, on another grid.
ELSEWHERE = Geometry((24, 22, 30), (5.0, 5.5, 6.0), (900.0, -700.0, 400.0))


@pytest.fixture(scope="module")
def paired(study: Study):
    """The study's settings with a foreign arterial image, which the header alone places."""
    for case in "bc":
        moving = np.random.default_rng(ord(case)).normal(40, 30, ELSEWHERE.shape).astype(np.int16)
        path = study.folder / "converted" / case / "arterial.nii.gz"
        write_volume(path, Volume(moving, ELSEWHERE))
        write_volume(path.with_name("venous.nii.gz"), images_of(case)[0]["venous"])
    scenario = ScenarioSettings(
        present=["arterial", "venous"], foreign=["arterial"], register_foreign=True
    )
    registration = study.settings.registration.model_copy(update={"method": "header"})
    changes = {"scenarios": {"placed": scenario}, "registration": registration}
    return study.settings.model_copy(update=changes)


def by_simpleitk(moving: Volume, grid: Geometry) -> np.ndarray:
    """The image with its centre on the grid's, on that grid, by SimpleITK alone."""
    image, reference = to_sitk(moving), to_sitk(Volume(np.zeros(grid.shape, np.int16), grid))
    middles = [
        np.array(one.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in one.GetSize()]))
        for one in (image, reference)
    ]
    shift = sitk.TranslationTransform(3, (middles[0] - middles[1]).tolist())
    image = sitk.Cast(image, sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(
        sitk.Resample(image, reference, shift, sitk.sitkBSpline, -1024.0, sitk.sitkFloat32)
    )
    inside = np.clip(values, moving.array.min(), moving.array.max())
    return np.rint(np.where(values == -1024, values, inside)).astype(np.int16)


def test_it_is_laid_on_the_centre_and_placed_as_the_case_s_own_image_would_be(
    study, paired, tmp_path
) -> None:
    model = study.model("maml")
    infer_fold(paired, model, "placed", study.preprocessed, study.splits, 0, tmp_path, study.folder)
    pairs = read_json(tmp_path / "predictions.json")["pairs"]
    assert {case: list(others) for case, others in pairs.items()} == {"b": ["c"], "c": ["b"]}
    fixed = images_of("b")[0]["venous"]
    foreign = read_volume(study.folder / "converted/c/arterial.nii.gz")
    placed = fixed.with_array(by_simpleitk(foreign, fixed.geometry))
    segmenter = Segmenter.load(model, ["arterial", "venous"], paired.inference, paired.compute)
    prepared = segmenter.prepared({"arterial": placed, "venous": fixed})
    expected = restore_probabilities(segmenter.probabilities(prepared.array), prepared.properties)
    found = read_volume(tmp_path / "foreign-c/b.nii.gz")
    assert found.geometry.agrees_with(fixed.geometry)
    assert np.mean(found.array == expected.array) > 0.999
    own = segmenter.prepared(images_of("b")[0])
    alone = restore_probabilities(segmenter.probabilities(own.array), own.properties)
    assert np.mean(found.array == alone.array) < 0.99


def test_without_the_converted_images_it_says_what_is_missing(study, paired, tmp_path) -> None:
    arguments = (study.preprocessed, study.splits, 0, tmp_path)
    with pytest.raises(UserError, match="--data, the folder of the data set's results"):
        infer_fold(paired, study.model("maml"), "placed", *arguments)


def test_a_volume_is_shifted_onto_the_centre_whatever_its_direction() -> None:
    turned = replace(ELSEWHERE, direction=(0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    grid = Geometry((9, 8, 7), (1.0, 2.0, 3.0), (5.0, 5.0, 5.0))
    moved = centred_on(Volume(np.zeros(turned.shape, np.int16), turned), grid)
    image = to_sitk(moved)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    np.testing.assert_allclose(middle, (8.0, 12.0, 17.0), atol=1e-6)
