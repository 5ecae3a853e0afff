import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from remodal.settings import AugmentationSettings
from remodal.training.cases import TrainingCase
from remodal.training.patches import (
    TRAINING,
    VALIDATION,
    PatchSampler,
    ahead,
    foreground_samples,
    foreground_start,
    random_start,
    read_region,
)

CPU = torch.device("cpu")
NAMES = ["arterial", "venous"]
STILL = AugmentationSettings(
    rotation_probability=0, scale_probability=0, elastic_probability=0, gamma_probability=0
)


def make_case(name="a", shape=(20, 24, 22), seed=0):
    """The first modality is the label times ten; the second is noise."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    label[12:16, 3:9, 14:19] = 1
    label[2:4, 15:18, 2:5] = 2
    image = np.stack([10.0 * label, rng.standard_normal(shape)]).astype(np.float16)
    foreground = {k: np.argwhere(label == k) for k in (1, 2)}
    return TrainingCase(name, torch.from_numpy(image), torch.from_numpy(label), foreground)


def sampler(cases=None, patch=(8, 10, 8), batch=2, augmentation=STILL, **changes):
    arguments = {
        "truth": "venous",
        "foreground": 0.33,
        "device": CPU,
        "purpose": TRAINING,
        "seed": 0,
    } | changes
    return PatchSampler(
        cases or [make_case()],
        NAMES,
        patch=patch,
        batch=batch,
        augmentation=augmentation,
        **arguments,
    )


@pytest.mark.parametrize(
    ("batch", "share", "expected"),
    [(2, 0.33, 1), (4, 0.33, 1), (5, 0.33, 2), (12, 0.33, 4), (1, 0.33, 1), (2, 0, 0), (3, 1, 3)],
)
def test_the_last_third_of_a_batch_is_centred_on_foreground(batch, share, expected):
    assert foreground_samples(batch, share) == expected


@given(st.data())
def test_a_region_is_the_zero_padded_volumes(data):
    size = [data.draw(st.integers(3, 6)) for _ in range(3)]
    shape = [data.draw(st.integers(1, 9)) for _ in range(3)]
    start = [data.draw(st.integers(1 - n, s - 1)) for n, s in zip(shape, size)]
    volume = np.arange(1, 1 + 2 * np.prod(size), dtype=np.float32).reshape(2, *size)
    padded = np.pad(volume, [(0, 0), *[(10, 10)] * 3])
    expected = padded[(slice(None), *(slice(10 + f, 10 + f + n) for f, n in zip(start, shape)))]
    found = read_region(torch.from_numpy(volume), tuple(start), tuple(shape))
    np.testing.assert_array_equal(found, expected)


def test_a_patch_lies_anywhere_inside_a_larger_volume():
    rng = np.random.default_rng(0)
    starts = np.array([random_start(rng, (10, 8, 30), (8, 8, 8)) for _ in range(500)])
    assert starts.min(0).tolist() == [0, 0, 0]
    assert starts.max(0).tolist() == [2, 0, 22]


def test_a_patch_is_centred_on_a_smaller_volume():
    rng = np.random.default_rng(0)
    assert random_start(rng, (4, 5, 8), (8, 8, 8)) == (-2, -1, 0)


def test_a_foreground_patch_holds_its_voxel_and_stays_inside():
    rng = np.random.default_rng(0)
    corner = {1: np.array([[0, 9, 5]])}
    assert foreground_start(rng, corner, (10, 10, 10), (4, 4, 4)) == (0, 6, 3)


def test_each_class_is_drawn_as_often_however_rare():
    rng = np.random.default_rng(0)
    foreground = {1: np.full((1000, 3), 4), 2: np.full((1, 3), 20)}
    starts = [foreground_start(rng, foreground, (30, 30, 30), (4, 4, 4))[0] for _ in range(1000)]
    assert np.mean(np.array(starts) == 18) == pytest.approx(0.5, abs=0.05)


def test_the_second_of_two_samples_always_shows_foreground():
    patches = sampler(patch=(3, 3, 3))
    shown = [(patches.batch(0, i).label > 0).flatten(1).any(1).tolist() for i in range(60)]
    first, second = np.mean(shown, 0)
    assert second == 1.0
    assert first < 0.3  # the classes fill little of the volume


def test_a_batch_is_images_by_modality_and_labels_by_image():
    batch = sampler().batch(0, 0)
    venous = batch.images["venous"]
    assert list(batch.images) == ["arterial", "venous"]
    assert (venous.shape, venous.dtype) == ((2, 1, 8, 10, 8), torch.float32)
    assert (batch.label.shape, batch.label.dtype) == ((2, 8, 10, 8), torch.int64)


def test_image_and_label_stay_together_when_mirrored():
    patches = sampler()
    mirrored = set()
    for iteration in range(20):
        batch = patches.batch(0, iteration)
        mirrored |= {patches.draw(0, iteration, sample).augmentation.mirrored for sample in (0, 1)}
        np.testing.assert_array_equal(batch.images["arterial"][:, 0], 10 * batch.label)
    assert len(mirrored) == 8


def test_a_mirrored_patch_is_the_flipped_patch():
    patches = sampler()
    drawn = next(
        draw
        for draw in (patches.draw(0, i, 0) for i in range(100))
        if draw.augmentation.mirrored == (True, False, True)
    )
    iteration = next(i for i in range(100) if patches.draw(0, i, 0) == drawn)
    found = patches.batch(0, iteration, [0])
    expected = read_region(drawn.case.image, drawn.start, (8, 10, 8)).float().flip([1, 3])
    assert torch.equal(found.images["venous"][0, 0], expected[1])


def test_image_and_label_stay_together_when_deformed():
    """Nearest neighbours of the label, and the linear image of the label, agree but at its edge."""
    everything = AugmentationSettings(
        rotation_probability=1, scale_probability=1, elastic_probability=1, gamma_probability=0
    )
    patches = sampler(augmentation=everything, patch=(12, 12, 12))
    for iteration in range(10):
        batch = patches.batch(0, iteration)
        image, label = batch.images["arterial"][:, 0], batch.label
        inside = (image - image.round(decimals=-1)).abs() < 0.01
        assert inside.float().mean() > 0.5
        assert torch.equal(image[inside].div(10).round().long(), label[inside])


def assert_equal(first, second):
    for of_one, of_other in ((first.images, second.images), (first.labels, second.labels)):
        assert list(of_one) == list(of_other)
        assert all(torch.equal(tensor, of_other[name]) for name, tensor in of_one.items())


def test_the_label_belongs_to_the_image_it_was_drawn_on():
    batch = sampler(truth="arterial").batch(0, 0)
    assert list(batch.labels) == ["arterial"]
    assert batch.labelled.tolist() == [True, True]


def test_a_batch_depends_on_nothing_drawn_before_it():
    full = AugmentationSettings(noise_probability=0.5)
    first, second = sampler(augmentation=full), sampler(augmentation=full)
    for iteration in range(3):
        first.batch(0, iteration)
    torch.manual_seed(99)
    assert_equal(first.batch(1, 4), second.batch(1, 4))


def test_seed_epoch_iteration_sample_and_purpose_each_change_the_patch():
    cases = [make_case(shape=(40, 40, 40))]
    base = sampler(cases).draw(0, 0, 0).start
    others = [
        sampler(cases).draw(1, 0, 0),
        sampler(cases).draw(0, 1, 0),
        sampler(cases).draw(0, 0, 1),
        sampler(cases, seed=1).draw(0, 0, 0),
        sampler(cases, purpose=VALIDATION).draw(0, 0, 0),
    ]
    assert all(other.start != base for other in others)


def test_a_process_makes_its_own_samples_of_the_batch():
    whole, part = sampler(batch=4).batch(0, 0), sampler(batch=4).batch(0, 0, [1, 3])
    for name, image in part.images.items():
        assert torch.equal(image, whole.images[name][[1, 3]])
    assert torch.equal(part.label, whole.label[[1, 3]])


def test_cases_are_drawn_alike():
    patches = sampler([make_case(name) for name in "abcd"])
    drawn = [patches.draw(0, i, 0).case.name for i in range(1000)]
    shares = [drawn.count(name) / 1000 for name in "abcd"]
    assert shares == pytest.approx([0.25] * 4, abs=0.05)


def test_a_case_without_foreground_gives_a_random_patch():
    case = make_case()
    empty = TrainingCase("empty", case.image, torch.zeros_like(case.label), {})
    assert not sampler([empty]).batch(0, 0).label.any()


def test_a_patch_larger_than_the_volume_is_padded_with_zeros():
    batch = sampler(patch=(32, 32, 32), augmentation=None).batch(0, 0)
    assert torch.equal(batch.images["venous"][0, 0, 6:26, 4:28, 5:27], make_case().image[1].float())
    assert not batch.images["venous"][0, 0, :6].any()
    assert not batch.label[0, :, :4].any()


def test_batches_made_ahead_come_in_order():
    made = []
    batches = ahead(lambda i: made.append(i) or {"i": torch.tensor(i)}, range(5))
    assert [int(batch["i"]) for batch in batches] == made == [0, 1, 2, 3, 4]


def test_an_error_in_the_making_of_a_batch_reaches_the_loop():
    def broken(iteration):
        raise ValueError(f"no batch {iteration}")

    with pytest.raises(ValueError, match="no batch 0"):
        list(ahead(broken, range(3)))
