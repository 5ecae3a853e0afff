"""What was found in one image, carried to where registration placed that image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import BY_CODE, LPS

from remodal.errors import UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.intake.nifti import read_volume, write_volume
from remodal.registration.case import register_case
from remodal.registration.stored import carry_label
from remodal.registration.transforms import write_chain
from remodal.results.records import Record, write_record
from remodal.settings.composition import compose

from .test_case import PHASES, converted, draw_label, label_of  # noqa: F401
from .test_transforms import FIXED, MOVING, affine, rigid

#: Angles about x, y, z and a shift, as in `rigid`.
EULER = sitk.Euler3DTransform((3.0, 15.0, 100.0), 0.1, -0.07, 0.15, (2.0, -1.5, 3.0))


def settings_of(way: str):
    """Each image has a label of its own, so that registration itself moves the arterial one."""
    options = {
        "elastix": {"resolutions": 2, "iterations": 30, "samples": 500},
        "centroid": {"mask": {"label": [1]}},
    }
    scenarios = {
        name: {"present": present, "target": present[-1]}
        for name, present in {"both": PHASES, "arterial": ["arterial"]}.items()
    }
    return compose(
        {"study": "liver", "preset": "smoke"},
        overrides={
            "data": {"truth": "image"},
            "scenarios": scenarios,
            "registration": {"method": way, "options": options},
        },
    )


@pytest.mark.parametrize("way", ["none", "header", "centroid", "elastix"])
def test_a_label_is_carried_as_registration_carries_it(way, abdomen, converted, tmp_path):  # noqa: F811
    label = Volume(label_of(abdomen.moved_liver), abdomen.moving.geometry)
    if way == "none":  # one grid, but stored along other axes
        for name, volume in (("arterial", abdomen.moving), ("label-arterial", label)):
            write_volume(converted / f"{name}.nii.gz", BY_CODE["RAI"].store(volume))
    draw_label(converted, (BY_CODE["RAI"] if way == "none" else LPS).store(label).array, "arterial")
    registered = tmp_path / "registered"
    register_case(settings_of(way), "a", converted, registered, PHASES, PHASES)
    wanted = read_volume(registered / "label-arterial.nii.gz")
    found = carry_label(read_volume(converted / "label-arterial.nii.gz"), "arterial", registered)
    assert found.geometry.agrees_with(abdomen.fixed.geometry)
    np.testing.assert_array_equal(found.array, wanted.array)
    assert found.array.any()


def case_of(folder: Path, fixed: Geometry, chain: Sequence, *, named: bool = True) -> Path:
    """A registered case whose arterial image moved; its record may or may not name the files."""
    write_volume(folder / "venous.nii.gz", Volume(np.zeros(fixed.shape, np.int16), fixed))
    names = [f"transform-arterial-{n}.txt" for n in range(len(chain))]
    write_chain(chain, [folder / name for name in names])
    details = {"fixed": "venous", "arterial": {"transforms": names}}
    if not named:
        del details["arterial"]
    write_record(folder / "registration.json", Record(case="a", stage="register", details=details))
    return folder


def blob(grid: Geometry) -> Volume:
    array = np.zeros(grid.shape, np.uint8)
    array[2:8, 4:12, 3:11] = 1
    array[4:6, 6:9, 5:9] = 2
    return Volume(array, grid)


def by_simpleitk(label: Volume, fixed: Geometry, transform: sitk.Transform) -> np.ndarray:
    grid = to_sitk(Volume(np.zeros(fixed.shape, np.uint8), fixed))
    moved = sitk.Resample(to_sitk(label), grid, transform, sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(moved)


def affine_by_simpleitk() -> sitk.AffineTransform:
    values = [float(value) for value in affine(FIXED)["TransformParameters"]]
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(values[:9])
    transform.SetTranslation(values[9:])
    transform.SetCenter((0.0, 20.0, 95.0))
    return transform


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize(
    ("of_fixed", "of_moving"), [("LPS", "RAS"), ("RAI", "PIR"), ("SLP", "LPS")]
)
@pytest.mark.parametrize(
    ("parameters", "transform"), [(rigid, EULER), (affine, affine_by_simpleitk())]
)
def test_a_stored_transform_moves_a_label_as_simpleitk_does(
    tmp_path, parameters, transform, of_fixed, of_moving, named
):
    fixed = BY_CODE[of_fixed].of(FIXED)
    label = BY_CODE[of_moving].store(blob(MOVING))
    folder = case_of(tmp_path, fixed, [parameters(fixed)], named=named)
    found = carry_label(label, "arterial", folder)
    wanted = by_simpleitk(label, fixed, transform)
    assert np.count_nonzero(wanted == 2) > 10
    # Halfway between two voxels rounding decides.
    assert np.mean(found.array == wanted) > 0.999
    still = by_simpleitk(label, fixed, sitk.Transform(3, sitk.sitkIdentity))
    assert np.mean(found.array != still) > 0.01


def test_the_image_that_stayed_keeps_its_label(tmp_path):
    label = blob(FIXED)
    assert carry_label(label, "venous", case_of(tmp_path, FIXED, [])) is label


def test_a_transform_that_is_gone_is_one_clear_line(tmp_path):
    folder = case_of(tmp_path, FIXED, [rigid(FIXED)])
    (folder / "transform-arterial-0.txt").unlink()
    with pytest.raises(UserError, match=r"transform-arterial-0.txt: is missing.*register the case"):
        carry_label(blob(MOVING), "arterial", folder)


def test_a_transform_that_cannot_be_applied_is_one_clear_line(tmp_path):
    chain = [rigid(FIXED) | {"Transform": ("SimilarityTransform",)}]
    with pytest.raises(UserError, match=r"cannot be applied .*no transform of kind Similarity"):
        carry_label(blob(MOVING), "arterial", case_of(tmp_path, FIXED, chain))
