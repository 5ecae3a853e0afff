import numpy as np
import pytest

from remodal.errors import BadCase
from remodal.preprocessing.cropping import bounding_box, crop_box
from remodal.settings import PreprocessingSettings

SPACING = (4.0, 2.0, 2.0)


def scan_with_table() -> tuple[np.ndarray, tuple[slice, ...]]:
    """A body of 40 HU in air, and a thin table top below it that touches it."""
    image = np.full((20, 80, 90), -1000, np.int16)
    body = (slice(3, 18), slice(20, 50), slice(25, 65))
    image[body] = 40
    image[:, 50:52, :] = 100
    return image, body


def test_the_body_is_kept_with_a_narrow_margin_and_the_table_is_not() -> None:
    image, body = scan_with_table()
    box = crop_box([image], SPACING, PreprocessingSettings())
    for side, inner, spacing in zip(box, body, SPACING):
        assert side.start <= inner.start
        assert side.stop >= inner.stop
        assert (inner.start - side.start) * spacing <= 16
        assert (side.stop - inner.stop) * spacing <= 16


def test_specks_outside_the_body_do_not_widen_the_box() -> None:
    image, _ = scan_with_table()
    clean = crop_box([image], SPACING, PreprocessingSettings())
    image[0, 0, 0] = image[19, 78, 88] = 500
    assert crop_box([image], SPACING, PreprocessingSettings()) == clean


@pytest.mark.parametrize("side", [slice(2, 10), slice(80, 88)])
def test_of_several_solid_pieces_the_largest_is_the_body(side: slice) -> None:
    """A bottle beside the patient, which the opening does not take away."""
    image, _ = scan_with_table()
    clean = crop_box([image], SPACING, PreprocessingSettings())
    image[5:15, 4:14, side] = 0
    assert crop_box([image], SPACING, PreprocessingSettings()) == clean


def test_a_body_too_thin_for_the_opening_is_kept_as_it_is() -> None:
    image = np.full((10, 60, 60), -1000.0)
    image[2:8, 30, 10:40] = 0
    box = crop_box([image], (4.0, 4.0, 4.0), PreprocessingSettings())
    assert box == (slice(0, 10), slice(28, 33), slice(8, 42))


def test_the_box_holds_the_body_of_every_modality() -> None:
    images = [np.full((10, 60, 60), -1000.0) for _ in range(2)]
    images[0][2:8, 10:40, 10:40] = 0
    images[1][2:8, 20:50, 10:40] = 0
    box = crop_box(images, SPACING, PreprocessingSettings())
    assert box[1].start <= 10
    assert box[1].stop >= 50


def test_a_single_slice_of_body_is_found() -> None:
    image = np.full((1, 60, 60), -1000.0)
    image[0, 20:40, 20:40] = 0
    assert crop_box([image], SPACING, PreprocessingSettings())[0] == slice(0, 1)


def test_nonzero_is_the_union_over_the_modalities() -> None:
    images = [np.zeros((5, 6, 7)) for _ in range(3)]
    images[0][1, 2, 3] = 5
    images[1][3, 2, 4] = -5
    box = crop_box(images, SPACING, PreprocessingSettings.model_validate({"crop": "nonzero"}))
    assert box == (slice(1, 4), slice(2, 3), slice(3, 5))


def test_none_keeps_all() -> None:
    box = crop_box(
        [np.zeros((5, 6, 7))], SPACING, PreprocessingSettings.model_validate({"crop": "none"})
    )
    assert box == (slice(0, 5), slice(0, 6), slice(0, 7))


@pytest.mark.parametrize(
    ("crop", "message"), [("body", "no body found"), ("nonzero", "all voxels are zero")]
)
def test_an_image_without_content_is_a_bad_case(crop: str, message: str) -> None:
    image = np.zeros((5, 6, 7)) - (2000 if crop == "body" else 0)
    with pytest.raises(BadCase, match=message):
        crop_box([image], SPACING, PreprocessingSettings.model_validate({"crop": crop}))


def test_bounding_box_is_tight() -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[1:3, 4, 2:7] = True
    assert bounding_box(mask) == (slice(1, 3), slice(4, 5), slice(2, 7))


def box_of(mask: np.ndarray, **crop) -> list[tuple[int, int]]:
    content = {"crop": {"mask": {"label": [1]}, **crop}}
    settings = PreprocessingSettings.model_validate(content)
    return [(side.start, side.stop) for side in crop_box([mask * 40], SPACING, settings, mask)]


def test_the_box_of_a_mask_has_its_margin_and_stays_in_the_image() -> None:
    mask = np.zeros((20, 50, 60), bool)
    mask[3:9, 20:30, 2:12] = True
    assert box_of(mask) == [(3, 9), (20, 30), (2, 12)]
    # 8 mm are 2 voxels of 4 mm, and 4 of 2 mm.
    assert box_of(mask, margin=8) == [(1, 11), (16, 34), (0, 16)]
    assert box_of(mask, margin=5, unit="voxel") == [(0, 14), (15, 35), (0, 17)]
    assert box_of(mask, margin=[None, 4, 2], unit="voxel") == [(0, 20), (16, 34), (0, 14)]


def test_a_box_grows_to_the_least_size_as_far_as_the_image_goes() -> None:
    mask = np.zeros((20, 50, 60), bool)
    mask[3:9, 20:30, 2:12] = True
    assert box_of(mask, least=16, unit="voxel") == [(0, 16), (17, 33), (0, 16)]
    assert box_of(mask, least=[0, 0, 96], unit="voxel")[2] == (0, 60)
    assert box_of(mask, least=[24, 0, 0])[0] == (3, 9)
    mask[:] = False
    mask[17:20, 45:50, 55:60] = True
    assert box_of(mask, least=10, unit="voxel") == [(10, 20), (40, 50), (50, 60)]


@pytest.mark.parametrize("mask", [None, np.zeros((20, 80, 90), bool)], ids=["none", "empty"])
def test_without_a_mask_the_body_is_kept(mask) -> None:
    image, _ = scan_with_table()
    cropped = PreprocessingSettings.model_validate({"crop": {"mask": {"label": [1]}}})
    assert crop_box([image], SPACING, cropped, mask) == crop_box(
        [image], SPACING, PreprocessingSettings()
    )
