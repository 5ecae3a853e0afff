"""What elastix is given, and the transforms that it can be asked for."""

from dataclasses import replace

import numpy as np
import pytest
from tests.orientations import ORIENTATIONS, rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.registration import elastix
from remodal.registration.alignment import Images, align
from remodal.registration.transforms import displacement
from remodal.registration.ways.elastix import Options

from .conftest import points_of

CHAINS = [
    ["translation"],
    ["translation", "rigid"],
    ["translation", "bspline"],
    ["translation", "rigid", "bspline"],
    ["translation", "affine", "bspline"],
    ["rigid"],
    ["affine"],
    ["bspline"],
    ["rigid", "affine", "bspline"],
]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda orientation: orientation.code)
def test_elastix_is_handed_images_where_they_lie(orientation):
    oblique = tilted(Geometry((4, 5, 6), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), rotation(20, -10, 35))
    volume = orientation.store(Volume(np.zeros(oblique.shape, np.float32), oblique))
    image = elastix._image(elastix._modules().arrays.itkPyBufferIF3, volume)
    grid = volume.geometry
    matrix = image.GetDirection().GetVnlMatrix()
    direction = [matrix.get(row, column) for row in range(3) for column in range(3)]
    np.testing.assert_allclose(direction, grid.direction, atol=1e-12)
    np.testing.assert_allclose(list(image.GetSpacing()), grid.spacing)
    np.testing.assert_allclose(list(image.GetOrigin()), grid.origin)


def test_elastix_is_given_what_the_options_say():
    """Smoothing is by half a voxel's side times 2, 4, ... at the coarser levels, in mm."""
    options = Options(
        transforms=["rigid", "bspline"],
        grid_spacing=16.0,
        resolutions=3,
        iterations=120,
        samples=900,
        bending=70.0,
        seed=5,
    )
    fixed, moving = (Geometry((9, 9, 9), spacing) for spacing in ((1.5, 1.5, 3.0), (5.0, 2.0, 2.0)))
    rigid, spline = elastix.parameter_maps(options, -1024.0, fixed, moving)
    common = {
        "NumberOfResolutions": ("3",),
        "MaximumNumberOfIterations": ("120",),
        "NumberOfSpatialSamples": ("900",),
        "RandomSeed": ("5",),
        "DefaultPixelValue": ("-1024",),
        "HowToCombineTransforms": ("Add",),
        "AutomaticTransformInitialization": ("false",),
        "FixedImagePyramidSmoothingSchedule": (*["3"] * 3, *["1.5"] * 3, *["0"] * 3),
        "MovingImagePyramidSmoothingSchedule": (*["4"] * 3, *["2"] * 3, *["0"] * 3),
        "FixedImagePyramidRescaleSchedule": ("1",) * 9,
        "MovingImagePyramidRescaleSchedule": ("1",) * 9,
    }
    assert common.items() <= rigid.items()
    assert common.items() <= spline.items()
    assert rigid["Transform"] == ("EulerTransform",)
    assert rigid["Metric"] == ("AdvancedMattesMutualInformation",)
    of_spline = {
        "Transform": ("BSplineTransform",),
        "FinalGridSpacingInPhysicalUnits": ("16",),
        "GridSpacingSchedule": ("4", "2", "1"),
        "Metric": ("AdvancedMattesMutualInformation", "TransformBendingEnergyPenalty"),
        "Metric0Weight": ("1",),
        "Metric1Weight": ("70",),
    }
    assert of_spline.items() <= spline.items()


@pytest.mark.parametrize("names", CHAINS, ids="+".join)
def test_every_chain_of_transforms_finds_a_known_motion(abdomen, quick, names):
    options = quick.options["elastix"] | {"transforms": names}
    chosen = quick.model_copy(update={"options": {"elastix": options}})
    found = align(Images(abdomen.fixed, abdomen.moving), chosen)
    assert len(found.transforms) == len(names)
    field = displacement(found.transforms, abdomen.fixed.geometry)
    left = np.linalg.norm(field - abdomen.truth, axis=0)[abdomen.liver].mean()
    # Of 10 mm, so few iterations at voxels of 8 mm leave 1.5 to 3.
    assert left < np.linalg.norm(abdomen.truth, axis=0)[abdomen.liver].mean() / 3


def test_points_are_drawn_where_the_fixed_image_was_scanned_and_not_where_it_was_padded(
    abdomen, quick, monkeypatch
):
    """The grid reaches 10 slices further towards the feet, without a threshold for the body."""
    padding = 10
    fixed = abdomen.fixed.geometry
    first = fixed.affine[:3, :3] @ [0, 0, -padding] + fixed.origin
    array = np.pad(abdomen.fixed.array, ((padding, 0), (0, 0), (0, 0)))
    further = replace(fixed, shape=array.shape, origin=tuple(map(float, first)))
    drawn = []

    def watched(fixed, moving, mask, *rest):
        drawn.append(Volume(mask, fixed.geometry))
        return estimate(fixed, moving, mask, *rest)

    estimate = elastix.estimate
    monkeypatch.setattr(elastix, "estimate", watched)
    everywhere = quick.model_copy(update={"body_threshold": None})
    align(Images(Volume(array, further), abdomen.moving, field=fixed), everywhere)
    (mask,) = drawn
    _, _, z = points_of(mask.geometry)
    inside = mask.array.astype(bool)
    half = mask.geometry.spacing[2] / 2
    assert fixed.origin[2] - half <= z[inside].min() <= fixed.origin[2] + 2 * half
