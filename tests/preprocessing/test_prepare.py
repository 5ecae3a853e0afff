from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from tests.orientations import ORIENTATIONS, Orientation

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.preprocessing import (
    class_indices,
    prepare,
    prepare_label,
    restore_image,
    restore_probabilities,
)
from remodal.results.files import write_json
from remodal.results.records import Record, read_record, write_record
from remodal.settings import PreprocessingSettings

SETTINGS = PreprocessingSettings.model_validate({"clip": "none"})
ORIGIN = (-31.0, 12.5, 700.0)

_TILT = np.radians(17)
OBLIQUE = np.array(
    [[1, 0, 0], [0, np.cos(_TILT), -np.sin(_TILT)], [0, np.sin(_TILT), np.cos(_TILT)]]
)
DIRECTIONS = [
    tilt @ (np.eye(3)[list(order)] * signs)
    for tilt in (np.eye(3), OBLIQUE)
    for order in permutations(range(3))
    for signs in product([1, -1], repeat=3)
]


def geometry_along(direction: np.ndarray) -> Geometry:
    cosines = tuple(float(cosine) for cosine in direction.ravel())
    return Geometry((26, 31, 36), (1.0, 1.2, 1.6), ORIGIN, cosines)


def body_and_label(geometry: Geometry) -> tuple[Volume, Volume]:
    """A box of 50 HU with a ramp, in air, and a lopsided label of two classes inside it."""
    z, y, x = np.indices(geometry.shape)
    image = np.full(geometry.shape, -1000, np.int16)
    body = (slice(3, -2), slice(4, -4), slice(5, -3))
    image[body] = (50 + x + 2 * y + 3 * z)[body]
    label = np.zeros(geometry.shape, np.uint8)
    label[((z - 12) / 8) ** 2 + ((y - 14) / 8) ** 2 + ((x - 18) / 10) ** 2 < 1] = 1
    label[((z - 14) / 4) ** 2 + ((y - 16) / 5) ** 2 + ((x - 20) / 5) ** 2 < 1] = 2
    return Volume(image, geometry), Volume(label, geometry)


CLASSES = {"liver": [1], "tumour": [2]}


def one_hot(indices: np.ndarray) -> np.ndarray:
    return np.stack([indices == index for index in range(3)]).astype(np.float32)


def fingerprint(spacing: tuple[float, float, float]) -> dict:
    return {"spacing": list(spacing)}


def native(geometry: Geometry) -> dict:
    """Fingerprint whose target is the case's own spacing, in canonical order."""
    cosines = np.abs(np.reshape(geometry.direction, (3, 3)))
    return fingerprint(tuple(geometry.spacing[axis] for axis in cosines.argmax(axis=1)[::-1]))


def centroid(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Centre of mass in world millimetres."""
    index = np.argwhere(mask).mean(axis=0)[::-1]
    return (geometry.affine @ [*index, 1])[:3]


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_label_comes_back_exactly_at_its_own_spacing(direction) -> None:
    image, label = body_and_label(geometry_along(direction))
    prepared = prepare({"venous": image}, native(image.geometry), SETTINGS)
    indices = prepare_label(class_indices(label, CLASSES), prepared.properties)
    restored = restore_probabilities(one_hot(indices), prepared.properties)
    np.testing.assert_array_equal(restored.array, label.array)
    assert restored.geometry == label.geometry
    assert restored.array.dtype == np.uint8


@pytest.mark.parametrize("direction", DIRECTIONS[::5])
@pytest.mark.parametrize("target", [(1.3, 0.9, 0.8), (1.1, 1.5, 1.4)])
def test_a_label_comes_back_in_place_at_another_spacing(direction, target) -> None:
    image, label = body_and_label(geometry_along(direction))
    prepared = prepare({"venous": image}, fingerprint(target), SETTINGS)
    indices = prepare_label(class_indices(label, CLASSES), prepared.properties)
    restored = restore_probabilities(one_hot(indices), prepared.properties)
    assert prepared.properties["spacing"] == pytest.approx(target, rel=0.05)
    for index in (1, 2):
        first, second = restored.array == index, label.array == index
        assert dice(first, second) > 0.93
        assert dice(restored.array > 0, label.array > 0) > 0.95
        shift = centroid(first, label.geometry) - centroid(second, label.geometry)
        assert np.linalg.norm(shift) < min(label.geometry.spacing) / 2


@pytest.mark.parametrize("direction", [d for d in DIRECTIONS if np.linalg.det(d) > 0][::5])
def test_a_prepared_voxel_lies_where_its_properties_say(direction) -> None:
    """ITK, asked at the prepared voxels' world positions, finds the same intensities."""
    image, _ = body_and_label(geometry_along(direction))
    smooth = sitk.GetArrayFromImage(
        sitk.DiscreteGaussian(sitk.Cast(to_sitk(image), sitk.sitkFloat32), 4.0)
    )
    image = image.with_array(smooth)
    target = (1.3, 0.9, 0.8)
    prepared = prepare({"venous": image}, fingerprint(target), SETTINGS)
    properties = prepared.properties

    canonical = sitk.DICOMOrient(to_sitk(image), "LPS")  # right-handed grids only
    start = [side[0] for side in properties["box"]][::-1]
    spacing = np.array(properties["spacing"])[::-1]
    half = (spacing / np.array(canonical.GetSpacing()) - 1) / 2
    corner = canonical.TransformContinuousIndexToPhysicalPoint((np.array(start) + half).tolist())
    grid = sitk.Image(properties["shape"][::-1], sitk.sitkFloat32)
    grid.SetSpacing(spacing.tolist())
    grid.SetOrigin(corner)
    grid.SetDirection(canonical.GetDirection())
    expected = sitk.GetArrayFromImage(
        sitk.Resample(canonical, grid, sitk.Transform(), sitk.sitkBSpline)
    )
    done = properties["intensities"]["venous"]
    found = prepared.array[0] * done["sd"] + done["mean"]
    inner = (slice(4, -4),) * 3
    np.testing.assert_allclose(found[inner], expected[inner], atol=1.0)


def test_an_attention_map_comes_back_in_place() -> None:
    image, label = body_and_label(geometry_along(DIRECTIONS[37]))
    image = image.with_array(np.maximum(image.array, 0))
    settings = PreprocessingSettings.model_validate({"clip": "none", "crop": "nonzero"})
    prepared = prepare({"venous": image}, fingerprint((1.3, 0.9, 0.8)), settings)
    indices = prepare_label(class_indices(label, CLASSES), prepared.properties)
    restored = restore_image((indices > 0).astype(np.float32), prepared.properties, outside=-1)
    assert restored.geometry == label.geometry
    assert dice(restored.array > 0.5, label.array > 0) > 0.95
    assert ((restored.array == -1) == (image.array == 0)).all()


def test_modalities_are_normalised_apart_and_may_be_missing() -> None:
    image, _ = body_and_label(geometry_along(np.eye(3)))
    bright = image.with_array((image.array * 3 + 7).astype(np.int16))
    both = prepare({"arterial": bright, "venous": image}, fingerprint((2, 2, 2)), SETTINGS)
    alone = prepare({"venous": image}, fingerprint((2, 2, 2)), SETTINGS)
    assert both.properties["modalities"] == ["arterial", "venous"]
    np.testing.assert_allclose(both.array[0], both.array[1], atol=1e-4)
    np.testing.assert_array_equal(alone.array[0], both.array[1])


def test_properties_survive_a_record(tmp_path) -> None:
    image, label = body_and_label(geometry_along(DIRECTIONS[21]))
    prepared = prepare({"venous": image}, native(image.geometry), SETTINGS)
    path = tmp_path / "record.json"
    write_record(path, Record(case="a", stage="preprocess", details=prepared.properties))
    details = read_record(path).details
    indices = prepare_label(class_indices(label, CLASSES), details)
    restored = restore_probabilities(one_hot(indices), details)
    np.testing.assert_array_equal(restored.array, label.array)
    assert restored.geometry == label.geometry


def test_source_values_become_class_indices() -> None:
    geometry = Geometry((1, 1, 6), (1.0, 1.0, 1.0))
    label = Volume(np.array([[[0, 1, 2, 3, 4, 1]]], np.uint8), geometry)
    indices = class_indices(label, {"organ": [1, 3], "tumour": [4]})
    assert indices.array.ravel().tolist() == [0, 1, 0, 1, 2, 1]


def test_modalities_on_different_grids_are_a_bad_case() -> None:
    image, _ = body_and_label(geometry_along(np.eye(3)))
    moved = Volume(image.array, Geometry(image.geometry.shape, image.geometry.spacing))
    with pytest.raises(BadCase, match="`arterial` is on another grid than `venous`"):
        prepare({"venous": image, "arterial": moved}, fingerprint((2, 2, 2)), SETTINGS)


def test_a_bad_modality_is_named() -> None:
    image, _ = body_and_label(geometry_along(np.eye(3)))
    broken = image.with_array(np.where(image.array > 0, np.nan, image.array))
    with pytest.raises(BadCase, match="`arterial` holds NaN"):
        prepare({"venous": image, "arterial": broken}, fingerprint((2, 2, 2)), SETTINGS)


def test_probabilities_of_another_grid_are_refused(tmp_path) -> None:
    image, _ = body_and_label(geometry_along(np.eye(3)))
    properties = prepare({"venous": image}, fingerprint((2, 2, 2)), SETTINGS).properties
    write_json(tmp_path / "plain.json", properties)  # plain JSON values
    with pytest.raises(ValueError, match="prepared grid"):
        restore_probabilities(np.zeros((2, 3, 4, 5), np.float32), properties)


def cropped_by(**crop) -> PreprocessingSettings:
    content = {"clip": "none", "normalise": "none", "crop": {"mask": {"label": [1]}, **crop}}
    return PreprocessingSettings.model_validate(content | {"spacing": [1, 1, 1]})


def block(orientation: Orientation) -> tuple[Volume, Volume]:
    """An image of whole numbers at 1 mm, and a mask of one block of it, stored in some order."""
    geometry = Geometry((10, 12, 14), (1.0, 1.0, 1.0))
    image = np.arange(1680, dtype=np.int16).reshape(geometry.shape)
    mask = np.zeros(geometry.shape, bool)
    mask[3:6, 4:9, 5:11] = True
    return orientation.store(Volume(image, geometry)), orientation.store(Volume(mask, geometry))


@pytest.mark.parametrize("orientation", ORIENTATIONS[::11], ids=lambda found: found.code)
def test_a_case_is_cropped_by_its_mask_however_it_is_stored(orientation) -> None:
    image, mask = block(orientation)
    expected = np.arange(1680).reshape(10, 12, 14)[2:7, 3:10, 4:12]
    prepared = prepare({"venous": image}, {}, cropped_by(margin=1), mask)
    np.testing.assert_array_equal(prepared.array[0], expected)
    assert prepared.properties["cropped_by"] == "mask"
    restored = restore_image(prepared.array[0], prepared.properties, outside=-1)
    assert restored.geometry.agrees_with(image.geometry)
    assert (restored.array == image.array).sum() == expected.size


def test_voxels_outside_the_mask_get_the_given_value() -> None:
    image, mask = block(ORIENTATIONS[13])
    prepared = prepare({"venous": image}, {}, cropped_by(margin=1, outside=-99), mask)
    assert (prepared.array[0] == -99).sum() == 5 * 7 * 8 - 3 * 5 * 6
    inside = np.arange(1680).reshape(10, 12, 14)[3:6, 4:9, 5:11]
    np.testing.assert_array_equal(prepared.array[0, 1:-1, 1:-1, 1:-1], inside)


def test_mean_and_deviation_may_be_those_of_the_clipped_image_before_its_crop() -> None:
    image, mask = block(ORIENTATIONS[13])
    content = cropped_by().model_dump() | {"clip": {"range": [400, 900]}, "normalise": "image"}
    settings = PreprocessingSettings.model_validate(content)
    prepared = prepare({"venous": image}, {}, settings, mask)
    whole = np.clip(np.arange(1680), 400, 900).reshape(10, 12, 14)
    done = prepared.properties["intensities"]["venous"]
    assert (done["mean"], done["sd"]) == pytest.approx((whole.mean(), whole.std()))
    expected = ((whole - whole.mean()) / whole.std())[3:6, 4:9, 5:11]
    np.testing.assert_allclose(prepared.array[0], expected, atol=1e-5)


def test_an_empty_mask_keeps_the_body_or_stops_the_case() -> None:
    image, mask = block(ORIENTATIONS[13])
    nothing = mask.with_array(np.zeros_like(mask.array))
    for given in (None, nothing):
        prepared = prepare({"venous": image}, {}, cropped_by(outside=-99), given)
        assert prepared.properties["cropped_by"] == "body"
        assert prepared.array.shape == (1, 10, 12, 14)
        assert not (prepared.array == -99).any()
        with pytest.raises(BadCase, match="cropped by is empty, or there is none"):
            prepare({"venous": image}, {}, cropped_by(empty="quarantine"), given)


def skull_stripped() -> dict[str, Volume]:
    """Two images of a brain: each is zero outside it, and in a part of it of its own."""
    grid = Geometry((20, 24, 22), (1.0, 1.0, 1.0))
    z, y, x = np.indices(grid.shape)
    brain = (z - 10) ** 2 + (y - 12) ** 2 + (x - 11) ** 2 < 64
    rng = np.random.default_rng(0)
    images = [np.where(brain, rng.integers(200, 400, grid.shape), 0) for _ in range(2)]
    images[0][10:13, 10:13, 10:13] = 0
    for image in images:
        image[9, 9, 9] = 0  # a hole in both
    return dict(zip(("t1", "t2"), (Volume(image.astype(np.int16), grid) for image in images)))


NONZERO = {"clip": "none", "normalise": "case_nonzero", "crop": "nonzero"}


def test_a_skull_stripped_case_is_normalised_inside_the_mask_of_all_its_images() -> None:
    volumes = skull_stripped()
    settings = PreprocessingSettings.model_validate(NONZERO | {"spacing": (1, 1, 1)})
    prepared = prepare(volumes, {}, settings)
    z, y, x = np.indices((20, 24, 22))
    brain = ((z - 10) ** 2 + (y - 12) ** 2 + (x - 11) ** 2 < 64)[3:18, 5:20, 4:19]
    for name, image in zip(volumes, prepared.array):
        values = volumes[name].array[3:18, 5:20, 4:19][brain].astype(float)
        expected = (values - values.mean()) / values.std()
        np.testing.assert_allclose(image[brain], expected, atol=1e-4)
        assert not image[~brain].any()


def test_a_brain_that_is_resampled_has_no_ringing_around_it() -> None:
    settings = PreprocessingSettings.model_validate(NONZERO | {"spacing": (0.7, 0.8, 0.9)})
    prepared = prepare(skull_stripped(), {}, settings)
    outside = ~(prepared.array != 0).any(axis=0)
    assert 0.35 < outside.mean() < 0.6  # a ball fills 52 % of its box
    corners = prepared.array[:, [0, 0, -1, -1], [0, -1, 0, -1], [0, -1, -1, 0]]
    assert not corners.any()
    # Both images end at the same place.
    first, second = (image != 0 for image in prepared.array)
    assert np.array_equal(first, second)
