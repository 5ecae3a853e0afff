"""Turns by right angles and the flip of one axis: exact, and as UA-MT's RandomRotFlip."""

from collections import Counter

import numpy as np
import pytest
import torch

from remodal.settings import AugmentationSettings
from remodal.settings.sampling import PatchSettings
from remodal.training.augmentation import (
    Augmentation,
    at_right_angles,
    draw_quarter_turns,
    right_angles,
)
from remodal.training.cases import TrainingCase
from remodal.training.patches import TRAINING, PatchSampler, Pool

OFF = {name: 0.0 for name in AugmentationSettings.model_fields if name.endswith("_probability")}
TURNED = AugmentationSettings(**OFF | {"quarter_turn_probability": 1, "one_mirror_probability": 1})
#: A zoom by one changes nothing, but takes the way of everything that deforms a patch.
RESAMPLED = TURNED.model_copy(update={"scale_probability": 1.0, "scale": (1.0, 1.0)})
SIZE = (9, 14, 17)


def case(size=SIZE) -> TrainingCase:
    """Every voxel of the image has its own value; the label is what remains of it."""
    image = torch.arange(float(np.prod(size))).view(1, *size)
    label = (image[0] % 251).to(torch.uint8)
    return TrainingCase("a", image, {"mr": label}, {("mr", 1): np.argwhere(label.numpy() == 1)})


def sampler(augmentation=TURNED, patch=(4, 6, 10), foreground=0.0, **changes) -> PatchSampler:
    arguments = {"device": torch.device("cpu"), "purpose": TRAINING, "seed": 0} | changes
    size = arguments.pop("size", SIZE)
    return PatchSampler(
        [Pool([case(size)], 1)],
        ["mr"],
        ["mr"],
        patch=PatchSettings.model_validate(patch),
        foreground=foreground,
        augmentation=augmentation,
        **arguments,
    )


def made(patches: PatchSampler, iteration: int):
    """Draw, image and label of one patch."""
    batch = patches.batch(0, iteration)
    return patches.draw(0, iteration, 0), batch.images["mr"][0, 0], batch.label[0]


@pytest.mark.parametrize("patch", [(4, 6, 10), (4, 8, 8), (3, 5, 10)])
@pytest.mark.parametrize("augmentation", [TURNED, RESAMPLED], ids=["cut", "resampled"])
def test_a_patch_is_its_source_box_turned_then_flipped(patch, augmentation) -> None:
    """Numpy's rot90 and flip on the box, whose sides are exchanged by an odd turn."""
    patches, seen = sampler(augmentation, patch), set()
    for iteration in range(60):
        drawn, image, label = made(patches, iteration)
        turns = drawn.augmentation.quarter_turns
        z, y, x = patch
        sides = (z, x, y) if turns % 2 else patch
        assert drawn.source == sides
        box = tuple(slice(first, first + side) for first, side in zip(drawn.start, sides))
        (axis,) = np.flatnonzero(drawn.augmentation.mirrored)
        expected = np.flip(np.rot90(case().image[0].numpy()[box], turns, (1, 2)), axis)
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(label, expected % 251)
        seen.add((turns, int(axis)))
    assert seen == {(turns, axis) for turns in range(4) for axis in (1, 2)}


def test_the_box_of_a_turned_patch_lies_inside_the_volume_and_around_its_foreground() -> None:
    patches = sampler(foreground=1.0, patch=(4, 6, 12))
    for iteration in range(40):
        drawn, _, label = made(patches, iteration)
        assert all(a >= 0 and a + n <= s for a, n, s in zip(drawn.start, drawn.source, SIZE))
        assert (label == 1).any()


def test_the_matrix_of_turns_and_flips_is_what_they_do_to_a_volume() -> None:
    volume = torch.arange(125.0).view(5, 5, 5)
    offsets = np.stack(np.indices((5, 5, 5)), -1) - 2
    for turns in range(4):
        for mirrored in ((False, True, False), (True, False, True)):
            drawn = Augmentation(mirrored=mirrored, quarter_turns=turns)
            source = np.rint(offsets @ right_angles(drawn).T).astype(int) + 2
            expected = volume.numpy()[tuple(np.moveaxis(source, -1, 0))]
            np.testing.assert_array_equal(at_right_angles(drawn, volume), expected)


def test_context_is_turned_with_its_patch() -> None:
    patches = sampler(patch=(1, 6, 10), context=(1, 0, 2), size=(9, 40, 40))
    plain = sampler(patch=(1, 6, 10), size=(9, 40, 40))
    for iteration in range(20):
        image, inner = (each.batch(0, iteration) for each in (patches, plain))
        assert image.images["mr"].shape == (1, 1, 3, 6, 14)
        assert torch.equal(image.images["mr"][..., 1:2, :, 2:-2], inner.images["mr"])
        assert torch.equal(image.label, inner.label)


def test_all_turns_are_as_likely_and_happen_as_often_as_is_said() -> None:
    half = TURNED.model_copy(update={"quarter_turn_probability": 0.5})
    rng = np.random.default_rng(0)
    turns = Counter(draw_quarter_turns(rng, half) for _ in range(4000))
    shares = [turns[number] / 4000 for number in range(4)]
    assert shares == pytest.approx([0.625, 0.125, 0.125, 0.125], abs=0.03)


def test_without_turns_a_generator_is_left_as_it_is() -> None:
    rng = np.random.default_rng(7)
    assert draw_quarter_turns(rng, AugmentationSettings()) == 0
    assert rng.random() == np.random.default_rng(7).random()
