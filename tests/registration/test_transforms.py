"""Transforms, checked by transformix and SimpleITK as oracles, and by hand."""

import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.geometry.volume import Geometry, Volume, from_sitk, to_sitk
from remodal.intake.nifti import write_volume
from remodal.registration.transforms import (
    displacement,
    jacobian_determinant,
    warp_image,
    warp_label,
    write_chain,
)

OBLIQUE = (0.98480775, -0.17101007, 0.03015369, 0.17364818, 0.96984631, -0.17101007)
OBLIQUE = (*OBLIQUE, 0.0, 0.17364818, 0.98480775)
FIXED = Geometry((9, 14, 12), (3.0, 2.5, 6.0), (-12.0, 5.0, 80.0), OBLIQUE)
MOVING = Geometry((11, 16, 15), (2.5, 2.8, 5.0), (-16.0, 2.0, 76.0))
STILL = Geometry((9, 14, 12), (3.0, 2.5, 6.0), (-12.0, 5.0, 80.0))


def common(kind: str, values: np.ndarray, grid: Geometry) -> dict[str, tuple[str, ...]]:
    """What elastix writes for every transform of an image pair."""
    return {
        "Transform": (kind,),
        "TransformParameters": tuple(map(repr, map(float, values))),
        "NumberOfParameters": (str(len(values)),),
        "HowToCombineTransforms": ("Add",),
        "FixedImageDimension": ("3",),
        "MovingImageDimension": ("3",),
        "FixedInternalImagePixelType": ("float",),
        "MovingInternalImagePixelType": ("float",),
        "Size": tuple(map(str, grid.shape[::-1])),
        "Index": ("0", "0", "0"),
        "Spacing": tuple(map(str, grid.spacing)),
        "Origin": tuple(map(str, grid.origin)),
        "Direction": tuple(map(str, np.reshape(grid.direction, (3, 3)).T.ravel())),
        "UseDirectionCosines": ("true",),
        "ResampleInterpolator": ("FinalBSplineInterpolator",),
        "FinalBSplineInterpolationOrder": ("3",),
        "Resampler": ("DefaultResampler",),
        "DefaultPixelValue": ("-1024",),
        "ResultImageFormat": ("mha",),
        "ResultImagePixelType": ("float",),
        "CompressResultImage": ("false",),
    }


def spline(grid: Geometry, coefficients: np.ndarray) -> dict[str, tuple[str, ...]]:
    """B-spline of (3, z, y, x) coefficients, 15 mm apart, that begins 20 mm before the grid."""
    spacing = np.full(3, 15.0)
    direction = np.reshape(grid.direction, (3, 3))
    return {
        **common("BSplineTransform", coefficients.ravel(), grid),
        "GridSize": tuple(map(str, coefficients.shape[:0:-1])),
        "GridIndex": ("0", "0", "0"),
        "GridSpacing": tuple(map(str, spacing)),
        "GridOrigin": tuple(map(repr, map(float, grid.origin - direction @ np.full(3, 20.0)))),
        "GridDirection": tuple(map(str, direction.T.ravel())),
        "BSplineTransformSplineOrder": ("3",),
        "UseCyclicTransform": ("false",),
    }


def rigid(grid: Geometry) -> dict[str, tuple[str, ...]]:
    return {
        **common("EulerTransform", np.array([0.1, -0.07, 0.15, 2.0, -1.5, 3.0]), grid),
        "CenterOfRotationPoint": ("3", "15", "100"),
        "ComputeZYX": ("false",),
    }


def affine(grid: Geometry) -> dict[str, tuple[str, ...]]:
    values = [1.1, 0.05, 0, -0.04, 0.95, 0.02, 0.01, 0, 1.03, 1, 2, -1]
    return {
        **common("AffineTransform", np.array(values), grid),
        "CenterOfRotationPoint": ("0", "20", "95"),
    }


def wavy(grid: Geometry) -> dict[str, tuple[str, ...]]:
    return spline(grid, np.random.default_rng(5).normal(0, 4, (3, 9, 7, 7)))


def chain_of(grid: Geometry) -> list[dict[str, tuple[str, ...]]]:
    return [rigid(grid), affine(grid), wavy(grid)]


def texture(geometry: Geometry) -> Volume:
    """A smooth image: interpolators that differ in float rounding stay close."""
    z, y, x = np.indices(geometry.shape)
    values = 300 * np.sin(x / 2) * np.cos(y / 3) + 40 * z
    return Volume(values.astype(np.float32), geometry)


def transformix(folder, chain, moving: Volume) -> dict[str, sitk.Image]:
    """Result image and deformation field of Debian's transformix, run inside the folder."""
    if shutil.which("transformix") is None:
        pytest.skip("transformix is not installed (Debian package `elastix`)")
    paths = [folder / f"transform-arterial-{n}.txt" for n in range(len(chain))]
    write_chain(chain, paths)
    write_volume(folder / "moving.nii", moving)
    command = ["transformix", "-in", "moving.nii", "-def", "all", "-out", ".", "-threads", "1"]
    command += ["-tp", paths[-1].name]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return {n: sitk.ReadImage(str(folder / f"{n}.mha")) for n in ("result", "deformationField")}


def test_a_chain_moves_points_and_images_as_transformix_does(tmp_path):
    chain, moving = chain_of(FIXED), texture(MOVING)
    expected = transformix(tmp_path, chain, moving)
    field = np.moveaxis(sitk.GetArrayFromImage(expected["deformationField"]), -1, 0)
    np.testing.assert_allclose(displacement(chain, FIXED), field, atol=1e-3)
    warped = warp_image(moving, FIXED, chain, outside=-1024)
    result = sitk.GetArrayFromImage(expected["result"])
    assert 0.2 < np.mean(result == -1024) < 0.8
    # At the very edge of the moving image rounding decides what is outside.
    cut = np.where(result == -1024, result, np.clip(result, moving.array.min(), moving.array.max()))
    close = np.isclose(warped.array, cut, atol=0.5)
    assert close.mean() > 0.995


@pytest.mark.parametrize("zyx", [False, True])
def test_a_rotation_is_that_of_itk_in_either_order_of_its_axes(zyx):
    parameters = rigid(FIXED) | {"ComputeZYX": (str(zyx).lower(),)}
    theirs = sitk.Euler3DTransform()
    theirs.SetComputeZYX(zyx)
    values, centre = (
        [float(value) for value in parameters[key]]
        for key in ("TransformParameters", "CenterOfRotationPoint")
    )
    theirs.SetCenter(centre)
    theirs.SetParameters(values)
    moved = displacement([parameters], FIXED)
    for index in ((0, 0, 0), (3, 5, 2), (7, 1, 6)):
        at = FIXED.affine[:3] @ [*index[::-1], 1]
        expected = np.subtract(theirs.TransformPoint(at.tolist()), at)
        np.testing.assert_allclose(moved[:, *index], expected, atol=1e-4)


def test_transform_files_name_each_other_without_folders(tmp_path):
    paths = [tmp_path / f"transform-arterial-{n}.txt" for n in range(2)]
    write_chain([rigid(FIXED), wavy(FIXED)], paths)
    first, second = (path.read_text() for path in paths)
    assert '(InitialTransformParameterFileName "NoInitialTransform")' in first
    assert '(InitialTransformParameterFileName "transform-arterial-0.txt")' in second
    assert "/" not in first + second


def test_the_jacobian_is_the_derivative_of_the_displacement():
    fine = Geometry((40, 40, 40), (0.7, 0.7, 0.7), (0.0, 10.0, 90.0))
    chain = chain_of(fine)
    vectors = np.moveaxis(displacement(chain, fine), 0, -1).astype(np.float64)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetSpacing(fine.spacing)
    expected = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(image))
    inner = (slice(2, -2),) * 3
    found = jacobian_determinant(chain, fine)
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-3)


@pytest.mark.parametrize("grid", [STILL, FIXED])
def test_a_spline_that_folds_has_a_negative_determinant(grid):
    # B-splines reproduce linear functions: along the first axis s the displacement is -1.5 s.
    places = np.arange(7) * 15.0
    pull = -1.5 * np.broadcast_to(places, (9, 7, 7))
    axis = np.reshape(grid.direction, (3, 3))[:, 0]
    coefficients = axis[:, None, None, None] * pull
    determinant = jacobian_determinant([spline(grid, coefficients)], grid)
    np.testing.assert_allclose(determinant, -0.5, atol=1e-4)


def test_a_whole_voxel_shift_is_exact_and_air_comes_in(tmp_path):
    grid = Geometry((6, 7, 8), (2.0, 3.0, 4.0))
    array = np.random.default_rng(0).integers(-1000, 900, grid.shape).astype(np.int16)
    shift = common("TranslationTransform", np.array([4.0, -3.0, 4.0]), grid)
    warped = warp_image(Volume(array, grid), grid, [shift], outside=-1024)
    assert warped.array.dtype == np.int16
    np.testing.assert_array_equal(warped.array[:-1, 1:, :-2], array[1:, :-1, 2:])
    assert (warped.array[-1] == -1024).all()
    assert (warped.array[:, 0] == -1024).all()
    assert (warped.array[:, :, -2:] == -1024).all()


def test_interpolation_does_not_overshoot_the_source():
    array = np.full(MOVING.shape, -1000, np.int16)
    array[3:8, 4:12, 4:11] = 3071
    warped = warp_image(Volume(array, MOVING), FIXED, chain_of(FIXED), outside=-1024).array
    assert (warped[warped != -1024] >= -1000).all()
    assert warped.max() <= 3071


def test_a_label_keeps_its_values_and_follows_the_nearest_voxel():
    array = np.random.default_rng(1).choice([0, 1, 7, 200], MOVING.shape).astype(np.uint8)
    label = Volume(array, MOVING)
    warped = warp_label(label, FIXED, chain_of(FIXED))
    assert warped.array.dtype == np.uint8
    field = np.moveaxis(displacement(chain_of(FIXED), FIXED), 0, -1).astype(np.float64)
    vectors = sitk.GetImageFromArray(field, isVector=True)
    vectors.CopyInformation(to_sitk(Volume(np.zeros(FIXED.shape), FIXED)))
    expected = sitk.Resample(
        to_sitk(label),
        to_sitk(Volume(np.zeros(FIXED.shape, np.uint8), FIXED)),
        sitk.DisplacementFieldTransform(vectors),
        sitk.sitkNearestNeighbor,
    )
    agree = warped.array == from_sitk(expected).array
    assert agree.mean() > 0.995  # rounding decides half-way between two voxels


def test_a_composed_chain_is_refused():
    composed = {**wavy(FIXED), "HowToCombineTransforms": ("Compose",)}
    with pytest.raises(ValueError, match="add up"):
        displacement([rigid(FIXED), composed], FIXED)
