"""Ways of registration by name: each against a calculation of its own."""

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import ORIENTATIONS

from remodal.errors import BadCase, UserError
from remodal.extensions import available
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.registration.alignment import Alignment, Images, align
from remodal.registration.transforms import displacement, warp_label
from remodal.registration.ways import (
    check_registration,
    completed,
    described,
    mask_of,
    masked_images,
)
from remodal.settings import RegistrationSettings

TILTED = (0.98480775, -0.17364818, 0.0, 0.17364818, 0.98480775, 0.0, 0.0, 0.0, 1.0)
LABEL = {"mask": {"label": [1]}}


def way(method: str, **options) -> RegistrationSettings:
    return RegistrationSettings(fixed="venous", method=method, options={method: options})


def smooth(geometry: Geometry) -> Volume:
    """An image that cubic interpolation hardly changes."""
    index = np.indices(geometry.shape).reshape(3, -1)[::-1]
    x, y, z = geometry.affine[:3, :3] @ index + geometry.affine[:3, 3:]
    values = 200 * np.sin(x / 25) * np.cos(y / 30) + 150 * np.sin(z / 40)
    return Volume(values.reshape(geometry.shape).astype(np.float32), geometry)


def ball(geometry: Geometry, centre: tuple[float, float, float], radius: float) -> Volume:
    index = np.indices(geometry.shape).reshape(3, -1)[::-1]
    places = geometry.affine[:3, :3] @ index + geometry.affine[:3, 3:]
    inside = np.linalg.norm(places - np.reshape(centre, (3, 1)), axis=0) < radius
    return Volume(inside.reshape(geometry.shape), geometry)


FIXED = Geometry((20, 30, 28), (3.0, 3.5, 4.0), (-40.0, -50.0, 10.0))
MOVING = Geometry((24, 34, 30), (2.5, 3.0, 3.5), (-30.0, -55.0, 8.0), TILTED)


def test_the_ways_are_the_files_of_the_folder():
    names = list(available("remodal.registration"))
    assert names == ["centroid", "elastix", "header", "none"]
    for name in names:
        settings = way(name, **(LABEL if name == "centroid" else {}))
        check_registration(settings)
        assert described(settings).endswith(".")


def test_by_the_headers_is_what_simpleitk_resamples():
    fixed, moving = smooth(FIXED), smooth(MOVING)
    found = align(Images(fixed, moving), way("header"))
    theirs = sitk.GetArrayFromImage(
        sitk.Resample(
            to_sitk(moving), to_sitk(fixed), sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear,
            -1024.0,
        )
    )  # fmt: skip
    outside = theirs == -1024
    assert 0.02 < outside.mean() < 0.7
    np.testing.assert_array_equal(found.warped.array == -1024, outside)
    # Theirs is linear, ours cubic; both are near the function that was sampled.
    assert np.abs(found.warped.array - theirs)[~outside].max() < 8
    assert np.abs(found.warped.array - fixed.array)[~outside].mean() < 1
    assert found.transforms == []
    assert found.quality["displacement_maximum_mm"] == 0
    assert found.quality["mutual_information_after"] == found.quality["mutual_information_before"]


def centred(shift: tuple[float, float, float], empty: str = "header", **masks) -> Alignment:
    """Two images whose balls are `shift` apart."""
    centre = np.array((-2.0, 5.0, 40.0))
    images = Images(
        smooth(FIXED),
        smooth(MOVING),
        masks.get("fixed", ball(FIXED, tuple(centre), 17.0)),
        masks.get("moving", ball(MOVING, tuple(centre + shift), 17.0)),
    )
    return align(images, way("centroid", empty=empty, **LABEL))


def test_centroids_lie_on_each_other():
    shift = (4.0, -7.0, 9.0)
    found = centred(shift)
    field = displacement(found.transforms, FIXED)
    # By hand: mean index of each mask, brought to mm.
    centres = []
    for geometry, centre in ((FIXED, (-2.0, 5.0, 40.0)), (MOVING, (2.0, -2.0, 49.0))):
        index = np.argwhere(ball(geometry, centre, 17.0).array).mean(axis=0)[::-1]
        centres.append(geometry.affine @ [*index, 1.0])
    expected = (centres[1] - centres[0])[:3]
    assert np.abs(expected - shift).max() < 0.5
    for component, value in zip(field, expected):
        np.testing.assert_allclose(component, value, atol=1e-3)
    moved = warp_label(ball(MOVING, (2.0, -2.0, 49.0), 17.0), FIXED, found.transforms)
    index = [
        np.argwhere(mask).mean(axis=0) for mask in (moved.array, ball(FIXED, (-2, 5, 40), 17).array)
    ]
    assert np.abs(index[0] - index[1]).max() < 0.3
    assert found.quality["displacement_mean_mm"] == pytest.approx(np.linalg.norm(expected), 1e-3)
    assert found.warnings == []


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_without_a_mask_the_headers_place_the_image_and_a_warning_says_so(which):
    geometry = FIXED if which == "fixed" else MOVING
    for mask in (None, Volume(np.zeros(geometry.shape, bool), geometry)):
        found = centred((4.0, 0.0, 0.0), **{which: mask})
        assert found.transforms == []
        assert found.warnings == [
            f"the mask of the {which} image is empty, or there is none: the images lie as their "
            "headers place them"
        ]
    with pytest.raises(BadCase, match=f"the mask of the {which} image is empty"):
        centred((4.0, 0.0, 0.0), empty="quarantine", **{which: None})


@pytest.mark.parametrize("orientation", ORIENTATIONS[::5], ids=lambda orientation: orientation.code)
def test_without_registration_other_axis_orders_of_one_grid_are_brought_into_one(orientation):
    generator = np.random.default_rng(4)
    array = generator.integers(-1000, 1000, FIXED.shape).astype(np.int16)
    fixed = Volume(array + np.int16(1), FIXED)
    stored = orientation.store(Volume(array, FIXED))
    found = align(Images(fixed, stored), way("none"))
    np.testing.assert_array_equal(found.warped.array, array)
    assert found.warped.geometry.agrees_with(FIXED)
    assert (found.transforms, found.quality) == ([], {})
    label = orientation.store(Volume((array > 0).astype(np.uint8), FIXED))
    np.testing.assert_array_equal(warp_label(label, FIXED, []).array, array > 0)


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(FIXED.shape, FIXED.spacing, (-39.9, *FIXED.origin[1:])),
        Geometry((19, 30, 28), FIXED.spacing, FIXED.origin),
        MOVING,
    ],
    ids=["a shift", "a slice less", "another grid"],
)
def test_without_registration_another_grid_is_a_bad_case(geometry):
    with pytest.raises(BadCase, match=r"lies on another grid .* expected the same grid"):
        align(Images(smooth(FIXED), smooth(geometry)), way("none"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "ants"}, "unknown way of registration `ants`; expected one of centroid"),
        ({"options": {"elastx": {}}}, "registration.options.elastx: unknown way"),
        (
            {"options": {"elastix": {"iteratons": 3}}},
            "registration.options.elastix.iteratons: is no option of this way; expected transforms",
        ),
        ({"options": {"elastix": {"iterations": 0}}}, "options.elastix.iterations: Input should"),
        ({"method": "header", "options": {"header": {"a": 1}}}, "header.a: is no option of this"),
        ({"method": "centroid"}, "registration.options.centroid.mask: Field required"),
        (
            {"method": "centroid", "options": {"centroid": {"mask": {}}}},
            "centroid.mask: a mask is either `label`",
        ),
        # Of a way that is not chosen only what is there is looked at.
        ({"options": {"centroid": {"empty": "drop"}}}, "options.centroid.empty: Input should be"),
    ],
)
def test_a_wrong_name_or_option_is_one_clear_line(settings, said):
    with pytest.raises(UserError, match=said):
        check_registration(RegistrationSettings(fixed="venous", **settings))


def test_a_presets_options_of_another_way_change_nothing():
    options = {"elastix": {"iterations": 7}, "centroid": {"empty": "quarantine"}}
    settings = RegistrationSettings(fixed="venous", method="none", options=options)
    check_registration(settings)
    assert completed(settings)["options"] == {"none": {}}
    assert mask_of(settings) is None
    chosen = completed(settings.model_copy(update={"method": "elastix"}))["options"]
    assert list(chosen) == ["elastix"]
    assert (chosen["elastix"]["iterations"], chosen["elastix"]["resolutions"]) == (7, 3)


def test_a_modality_may_have_a_way_of_its_own():
    settings = RegistrationSettings(
        fixed="t2",
        method="header",
        options={"elastix": {"iterations": 7}},
        by_modality={"again": {"method": "elastix", "options": {"elastix": {"samples": 900}}}},
    )
    check_registration(settings)
    assert settings.of("t1").method == "header"
    assert settings.of("again").options == {"elastix": {"iterations": 7, "samples": 900}}
    assert settings.ways == ["header", "elastix"]
    said = described(settings)
    assert "The other images were brought onto the t2 image's grid by the headers" in said
    assert "The again image was registered to the t2 image with elastix" in said
    full = RegistrationSettings.model_validate(completed(settings))
    assert full.of("again").options["elastix"]["samples"] == 900
    assert full.of("again").options["elastix"]["grid_spacing"] == 20.0
    assert completed(full) == completed(settings)


def test_only_modalities_registered_by_a_mask_need_one():
    settings = RegistrationSettings(
        fixed="t2",
        method="header",
        options={"centroid": LABEL},
        by_modality={"t1": "centroid"},
    )
    assert mask_of(settings).label == [1]
    assert masked_images(settings, ["t1", "t2", "flair"]) == ["t1", "t2"]
    assert masked_images(settings, ["t2", "flair"]) == []
    assert masked_images(way("centroid", **LABEL), ["arterial", "venous"]) == ["arterial", "venous"]
    other = {"centroid": {"mask": {"label": [2]}}}
    own = {"flair": {"method": "centroid", "options": other}, "t1": "centroid"}
    with pytest.raises(UserError, match="modalities are registered by different masks"):
        check_registration(settings.model_validate(settings.model_dump() | {"by_modality": own}))


def test_an_unknown_way_of_one_modality_is_a_users_error():
    with pytest.raises(UserError, match="unknown way of registration `elastics`"):
        check_registration(RegistrationSettings(fixed="t2", by_modality={"t1": "elastics"}))
