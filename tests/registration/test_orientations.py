"""Registration of a pair in all 48 axis orders and flips, and on oblique grids.

Fixed and moving image are turned independently. Samples are drawn at random in the order of the
fixed image's voxels, so two orientations are as good as two seeds: the tolerances are what ten
seeds differ by on this pair, whose voxels measure 7 to 9 mm.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import LPS, ORIENTATIONS, Orientation, each_orientation, rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.registration.alignment import Images, align
from remodal.registration.case import register_case
from remodal.registration.transforms import (
    displacement,
    jacobian_determinant,
    warp_image,
    warp_label,
)
from remodal.results.records import Record, write_record

from .conftest import Abdomen, points_of, scan
from .test_case import settings_with
from .test_transforms import FIXED, MOVING, affine, rigid, spline, texture, transformix


def moving_orientation(fixed: Orientation) -> Orientation:
    """Another orientation for the moving image, so that each of the 48 is used for both images."""
    return ORIENTATIONS[(7 * ORIENTATIONS.index(fixed) + 5) % len(ORIENTATIONS)]


def chain_for(orientation: Orientation) -> list[dict[str, tuple[str, ...]]]:
    """One and the same transform, its B-spline on a control grid along the stored axes."""
    random = np.random.default_rng(5).normal(0, 4, (3, 9, 7, 7))
    first = FIXED.origin - np.reshape(FIXED.direction, (3, 3)) @ np.full(3, 20.0)
    grid = Geometry((9, 7, 7), (15.0, 15.0, 15.0), tuple(first), FIXED.direction)
    stored = [orientation.store(Volume(component, grid)) for component in random]
    controls = stored[0].geometry
    own = spline(orientation.of(FIXED), np.stack([volume.array for volume in stored]))
    own["GridOrigin"] = tuple(map(repr, map(float, controls.origin)))
    return [rigid(orientation.of(FIXED)), affine(orientation.of(FIXED)), own]


@each_orientation()
def test_one_transform_is_the_same_on_every_grid(orientation):
    grid, chain = orientation.of(FIXED), chain_for(orientation)
    for function in (displacement, jacobian_determinant):
        expected = function(chain_for(LPS), FIXED)
        np.testing.assert_allclose(orientation.undo(function(chain, grid)), expected, atol=1e-3)
    stored = moving_orientation(orientation).store(texture(MOVING))
    found = orientation.undo(warp_image(stored, grid, chain, outside=-1024).array)
    expected = warp_image(texture(MOVING), FIXED, chain_for(LPS), outside=-1024).array
    # At the very edge of the moving image rounding decides what is outside.
    assert np.isclose(found, expected, atol=0.1).mean() > 0.995


@each_orientation()
def test_labels_are_carried_along_on_every_grid(orientation):
    array = np.random.default_rng(1).choice([0, 1, 7, 200], MOVING.shape).astype(np.uint8)
    stored = moving_orientation(orientation).store(Volume(array, MOVING))
    found = warp_label(stored, orientation.of(FIXED), chain_for(orientation)).array
    expected = warp_label(Volume(array, MOVING), FIXED, chain_for(LPS)).array
    assert np.mean(orientation.undo(found) == expected) > 0.995  # half-way between two voxels


@each_orientation()
def test_transformix_reads_the_transforms_on_every_grid(orientation, tmp_path):
    stored = moving_orientation(orientation).store(texture(MOVING))
    grid, chain = orientation.of(FIXED), chain_for(orientation)
    theirs = transformix(tmp_path, chain, stored)
    field = np.moveaxis(sitk.GetArrayFromImage(theirs["deformationField"]), -1, 0)
    np.testing.assert_allclose(displacement(chain, grid), field, atol=1e-3)
    assert theirs["result"].GetDirection() == pytest.approx(grid.direction, abs=1e-5)
    result = sitk.GetArrayFromImage(theirs["result"])
    cut = np.where(result == -1024, result, np.clip(result, stored.array.min(), stored.array.max()))
    ours = warp_image(stored, grid, chain, outside=-1024).array
    assert np.isclose(ours, cut, atol=0.5).mean() > 0.995


def mean_error(abdomen: Abdomen, found: np.ndarray) -> float:
    """Mean length in mm of what is left of the true motion in the liver."""
    return float(np.linalg.norm(found - abdomen.truth, axis=0)[abdomen.liver].mean())


@pytest.fixture(scope="module")
def coarse(quick):
    """Rigid in half a second: 1 to 3 mm are left of 10."""
    few = {"transforms": ["rigid"], "resolutions": 1, "iterations": 100, "samples": 1000}
    return quick.model_copy(update={"options": {"elastix": few}})


@each_orientation(quick_every=3)
def test_a_motion_is_found_however_both_images_are_stored(abdomen, coarse, orientation):
    fixed = orientation.store(abdomen.fixed)
    found = align(Images(fixed, moving_orientation(orientation).store(abdomen.moving)), coarse)
    field = orientation.undo(displacement(found.transforms, fixed.geometry))
    assert mean_error(abdomen, field) < 5
    assert found.warped.geometry == fixed.geometry
    assert found.quality["overlap"] > 0.8


TURNS = {
    "as scanned": (0, 0, 0),
    "rolled": (0, 0, 20),
    "nodding": (-25, 0, 0),
    "askew": (15, -10, 25),
    "far": (40, 30, -35),
}


@pytest.mark.parametrize(
    ("fixed", "moving"),
    [("askew", "as scanned"), ("as scanned", "far"), ("rolled", "nodding"), ("far", "askew")],
)
def test_a_motion_is_found_on_oblique_grids(abdomen, quick, fixed, moving):
    grids = [
        orientation.of(tilted(abdomen.fixed.geometry, rotation(*TURNS[turn])))
        for orientation, turn in ((ORIENTATIONS[13], fixed), (ORIENTATIONS[38], moving))
    ]
    turned = scan(*grids)
    found = align(Images(turned.fixed, turned.moving), quick)
    field = displacement(found.transforms, grids[0])
    inside = np.linalg.norm(points_of(grids[0]) - [[[[0]]], [[[0]]], [[[490]]]], axis=0) < 200
    seen = turned.liver & inside
    left = np.linalg.norm(field - turned.truth, axis=0)[seen].mean()
    assert left < np.linalg.norm(turned.truth, axis=0)[seen].mean() / 3


def registered(abdomen: Abdomen, fixed: Orientation, moving: Orientation, folder: Path) -> Path:
    """Folder of the registered case, its label drawn on the moving image."""
    # All of it tumour: a few voxels could fall between those of a coarse grid.
    label = Volume(2 * abdomen.moved_liver.astype(np.uint8), abdomen.moving.geometry)
    images = {
        "venous": fixed.store(abdomen.fixed),
        "arterial": moving.store(abdomen.moving),
        "label-arterial": moving.store(label),
    }
    for name, volume in images.items():
        write_volume(folder / f"{name}.nii.gz", volume)
        record = Record(case="a", stage="convert", modality=name.removeprefix("label-"))
        write_record(folder / f"{name}.json", record)
    settings = settings_with(iterations=100, samples=800)
    assert register_case(settings, "a", folder, folder / "registered", labels=["arterial"]).ok
    return folder / "registered"


@pytest.fixture(scope="module")
def in_lps(abdomen, tmp_path_factory) -> Path:
    return registered(abdomen, LPS, LPS, tmp_path_factory.mktemp("lps"))


@pytest.mark.slow
@pytest.mark.parametrize("sides", ["both", "fixed", "moving"])
@each_orientation()
def test_whole_cases_agree_in_every_orientation(abdomen, in_lps, tmp_path, orientation, sides):
    """Files in, files out, with a B-spline and a label that moves with its image."""
    fixed = orientation if sides != "moving" else LPS
    moving = orientation if sides != "fixed" else LPS
    found = registered(abdomen, fixed, moving, tmp_path)
    source = read_volume(tmp_path / "arterial.nii.gz")
    write_volume(found / "source.nii", source)
    command = ["transformix", "-in", "source.nii", "-def", "all", "-out", ".", "-threads", "1"]
    command += ["-tp", "transform-arterial-1.txt"]
    subprocess.run(command, cwd=found, check=True, stdout=subprocess.DEVNULL)
    theirs, ours = (read_volume(found / name) for name in ("result.nii", "arterial.nii.gz"))
    assert theirs.geometry.agrees_with(ours.geometry)
    covered = theirs.array != -1024
    cut = np.clip(theirs.array, source.array.min(), source.array.max())
    assert (np.abs(cut - ours.array)[covered] <= 2).mean() > 0.999
    liver = abdomen.liver
    expected = read_volume(in_lps / "arterial.nii.gz").array.astype(float)
    assert np.abs(fixed.undo(ours.array) - expected)[liver].mean() < 9
    carried = fixed.undo(read_volume(found / "label-venous.nii.gz").array) > 0
    assert 2 * (carried & liver).sum() / (carried.sum() + liver.sum()) > 0.9
    field = sitk.GetArrayFromImage(sitk.ReadImage(str(found / "deformationField.nii")))
    assert mean_error(abdomen, fixed.undo(np.moveaxis(field, -1, 0))) < 3.5
