import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from remodal.objectives.batch import UNLABELLED
from remodal.settings import AugmentationSettings
from remodal.settings.sampling import PatchSettings
from remodal.training.cases import TrainingCase
from remodal.training.patches import (
    TRAINING,
    VALIDATION,
    PatchSampler,
    Pool,
    ahead,
    foreground_samples,
    foreground_start,
    random_shape,
    random_start,
    read_region,
)

CPU = torch.device("cpu")
NAMES = ["arterial", "venous"]
STILL = AugmentationSettings(
    rotation_probability=0, scale_probability=0, elastic_probability=0, gamma_probability=0
)


def make_case(name="a", shape=(20, 24, 22), seed=0, labels=("venous",)):
    """The first modality is the label times ten; the second is noise. All labels are alike."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    label[12:16, 3:9, 14:19] = 1
    label[2:4, 15:18, 2:5] = 2
    image = np.stack([10.0 * label, rng.standard_normal(shape)]).astype(np.float16)
    foreground = {(of, k): np.argwhere(label == k) for of in labels for k in (1, 2)}
    masks = {of: torch.from_numpy(label) for of in labels}
    return TrainingCase(name, torch.from_numpy(image), masks, foreground)


def sampler(cases=None, patch=(8, 10, 8), batch=2, labels=("venous",), **changes):
    """Of one pool of these cases, or of `pools`."""
    arguments = {
        "pools": [Pool(cases or [make_case(labels=labels)], batch)],
        "patch": PatchSettings.model_validate(patch),
        "foreground": 0.33,
        "device": CPU,
        "purpose": TRAINING,
        "seed": 0,
        "augmentation": STILL,
    }
    arguments |= changes
    return PatchSampler(arguments.pop("pools"), NAMES, labels, **arguments)


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
    out = torch.full((2, *shape), 7.0)
    assert read_region(torch.from_numpy(volume), tuple(start), tuple(shape), out) is out
    np.testing.assert_array_equal(out, expected)


def test_a_region_outside_the_volume_is_zero():
    volume = torch.ones((2, 4, 4, 4))
    for start in ((-9, 0, 0), (0, 7, 0), (4, 4, 4)):
        region = read_region(volume, start, (3, 2, 3))
        assert (tuple(region.shape), region.any().item()) == ((2, 3, 2, 3), False)
        assert not read_region(volume, start, (3, 2, 3), torch.ones(2, 3, 2, 3)).any()


def test_a_translation_moves_image_and_label_alike():
    moving = STILL.model_copy(
        update={"translation_probability": 1.0, "translation": 0.4, "mirror_probability": 0.0}
    )
    case = make_case()
    patches, still = sampler([case], augmentation=moving), sampler([case], augmentation=None)
    moved = 0
    for iteration in range(20):
        batch = patches.batch(0, iteration)
        np.testing.assert_array_equal(batch.images["arterial"][:, 0], 10 * batch.label)
        patch, before = patches.draw(0, iteration, 0), still.draw(0, iteration, 0)
        move = np.array(patch.start) - before.start
        assert tuple(move) == patch.augmentation.translation
        moved += move.any()
    assert moved > 15


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
    corner = {("ct", 1): np.array([[0, 9, 5]])}
    assert foreground_start(rng, corner, (10, 10, 10), (4, 4, 4)) == (0, 6, 3)


def test_each_class_is_drawn_as_often_however_rare():
    rng = np.random.default_rng(0)
    foreground = {("ct", 1): np.full((1000, 3), 4), ("ct", 2): np.full((1, 3), 20)}
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
    batch = sampler(labels=["arterial"]).batch(0, 0)
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
    nothing = {"venous": torch.zeros_like(case.labels["venous"])}
    empty = TrainingCase("empty", case.image, nothing, {})
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


POOLED = {"foreground": 1.0, "augmentation": None}


def two_streams(**changes):
    """Two labelled and two unlabelled samples."""
    unlabelled = TrainingCase("u", make_case().image, {}, {})
    pools = [Pool([make_case("a"), make_case("b")], 2), Pool([unlabelled], 2)]
    return sampler(pools=pools, **POOLED | changes)


def test_each_pool_gives_its_samples_of_every_batch():
    patches = two_streams()
    for iteration in range(20):
        drawn = [patches.draw(0, iteration, sample).case.name for sample in range(4)]
        assert set(drawn[:2]) <= {"a", "b"}
        assert drawn[2:] == ["u", "u"]


def test_a_batch_says_which_samples_are_labelled_and_fills_the_others():
    batch = two_streams().batch(0, 0)
    assert batch.labelled.tolist() == [True, True, False, False]
    assert batch.label[:2].min() >= 0
    assert (batch.label[2:] == UNLABELLED).all()
    assert all(image.isfinite().all() for image in batch.images.values())


def test_two_devices_have_as_many_samples_of_each_pool():
    whole = two_streams().batch(0, 3)
    for rank in (0, 1):
        part = two_streams().batch(0, 3, range(rank, 4, 2))
        assert part.labelled.tolist() == [True, False]
        assert torch.equal(part.label, whole.label[rank::2])


def test_each_pool_has_its_share_of_foreground():
    """As many as in a batch of the pool's size; an unlabelled case has none to be centred on."""
    patches = two_streams(foreground=0.33, patch=(3, 3, 3))
    shown = [(patches.batch(0, i).label > 0).flatten(1).any(1).tolist() for i in range(40)]
    first, second, *_ = np.mean(shown, 0)
    assert first < 0.5
    assert second == 1.0


RANGE = {"least": [4, 8, 4], "most": [16, 16, 4], "multiple": [4, 4, 4]}


def test_every_batch_draws_its_own_patch_of_the_allowed_sides():
    patches = sampler(patch=RANGE)
    shapes = [tuple(patches.batch(0, i).label.shape[1:]) for i in range(60)]
    assert {z for z, _, _ in shapes} == {4, 8, 12, 16}
    assert {y for _, y, _ in shapes} == {8, 12, 16}
    assert {x for _, _, x in shapes} == {4}
    assert shapes == [patches.shape(0, i) for i in range(60)]


def test_a_drawn_patch_is_the_same_for_every_process_and_whatever_came_before():
    patches, other = sampler(patch=RANGE, batch=4), sampler(patch=RANGE, batch=4)
    for iteration in (5, 2, 7):
        whole, part = patches.batch(1, iteration), other.batch(1, iteration, [1, 3])
        assert torch.equal(part.label, whole.label[[1, 3]])


def test_a_drawn_patch_is_no_larger_than_its_volumes_unless_it_is_the_least():
    small, large = make_case("a", (18, 24, 22)), make_case("b", (40, 24, 40))
    wide = PatchSettings.model_validate({"least": [8] * 3, "most": [32] * 3, "multiple": [8] * 3})
    shapes = [random_shape(np.random.default_rng(i), wide, [small.size]) for i in range(50)]
    assert np.max(shapes, 0).tolist() == [16, 24, 16]
    thin = [large.size, (3, 9, 40)]
    shapes = [random_shape(np.random.default_rng(i), wide, thin) for i in range(20)]
    assert {shape[:2] for shape in shapes} == {(8, 8)}
    shown = {sampler([small, large], patch=wide).shape(0, i)[0] for i in range(60)}
    assert shown == {8, 16, 24, 32}


def test_a_patch_of_too_many_voxels_is_drawn_again():
    small = PatchSettings.model_validate(RANGE | {"voxels": 400})
    shapes = [random_shape(np.random.default_rng(i), small, [(50, 50, 50)]) for i in range(80)]
    assert {np.prod(shape) for shape in shapes} == {128, 192, 256, 384}


def test_image_and_label_stay_together_in_patches_of_any_size():
    everything = AugmentationSettings(
        rotation_probability=1, scale_probability=1, elastic_probability=1, gamma_probability=0
    )
    patches, seen = sampler(patch=RANGE, augmentation=everything), set()
    for iteration in range(10):
        batch = patches.batch(0, iteration)
        image, label = batch.images["arterial"][:, 0], batch.label
        inside = (image - image.round(decimals=-1)).abs() < 0.01
        assert inside.float().mean() > 0.5
        assert torch.equal(image[inside].div(10).round().long(), label[inside])
        seen |= set(label[inside].tolist())
    assert seen == {0, 1, 2}


def test_context_surrounds_the_patch_that_has_a_label():
    plain = sampler(patch=(1, 12, 12), augmentation=None)
    patches = sampler(patch=(1, 12, 12), augmentation=None, context=(1, 0, 0))
    for iteration in range(20):
        narrow, batch = plain.batch(0, iteration), patches.batch(0, iteration)
        assert batch.images["venous"].shape == (2, 1, 3, 12, 12)
        assert torch.equal(batch.label, narrow.label)
        for name, image in batch.images.items():
            assert torch.equal(image[:, :, 1:2], narrow.images[name])


def test_context_beyond_the_first_and_the_last_slice_is_zero():
    image = torch.arange(1.0, 1 + 2 * 12 * 12).view(2, 1, 12, 12)
    case = TrainingCase("flat", image, {"venous": torch.ones((1, 12, 12), dtype=torch.uint8)}, {})
    batch = sampler([case], patch=(1, 12, 12), augmentation=None, context=(1, 0, 0)).batch(0, 0)
    assert torch.equal(batch.images["venous"][0, 0, 1], image[1, 0])
    assert not batch.images["venous"][:, 0, [0, 2]].any()


def test_all_slices_of_a_context_are_changed_alike():
    """A volume whose slices are all the same stays so, whatever is drawn within the slices."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.standard_normal((2, 1, 30, 30))).float().expand(2, 9, 30, 30)
    label = (image[0] > 0).to(torch.uint8)
    case = TrainingCase("same", image, {"venous": label}, {("venous", 1): np.argwhere(label)})
    strong = AugmentationSettings(
        in_slice=True,
        rotation_probability=1,
        scale_probability=1,
        elastic_probability=1,
        gamma_probability=1,
        brightness_probability=1,
        contrast_probability=1,
    )
    patches = sampler([case], patch=(1, 12, 12), augmentation=strong, context=(1, 0, 0))
    plain = sampler([case], patch=(1, 12, 12), augmentation=None)
    tried = changed = 0
    for iteration in range(30):
        patch = patches.draw(0, iteration, 0)
        if not 2 <= patch.start[0] <= 6:
            continue
        below, middle, above = patches.batch(0, iteration, [0]).images["venous"][0, 0]
        torch.testing.assert_close(below, middle, rtol=0, atol=1e-3)
        torch.testing.assert_close(above, middle, rtol=0, atol=1e-3)
        before = plain.batch(0, iteration, [0]).images["venous"][0, 0, 0]
        tried, changed = tried + 1, changed + int((middle - before).abs().mean() > 0.1)
    assert changed == tried > 5


def test_every_label_of_a_case_is_cut_and_changed_with_its_image():
    case = make_case(labels=NAMES)
    case.labels["arterial"] = 3 - case.labels["venous"]
    everything = AugmentationSettings(rotation_probability=1, elastic_probability=1)
    for augmentation in (None, STILL, everything):
        patches = sampler([case], labels=NAMES, augmentation=augmentation)
        for iteration in range(5):
            labels = patches.batch(0, iteration).labels
            assert list(labels) == NAMES
            # Outside the volume, where both are zero, they are not each other's opposite.
            inside = labels["arterial"] > 0
            assert inside.any()
            assert torch.equal(labels["venous"][inside], 3 - labels["arterial"][inside])


def test_foreground_is_of_any_of_the_labels():
    rng = np.random.default_rng(0)
    foreground = {("t1", 1): np.full((9, 3), 5), ("t2", 1): np.full((1, 3), 20)}
    starts = {foreground_start(rng, foreground, (30, 30, 30), (4, 4, 4))[0] for _ in range(100)}
    assert starts == {3, 18}


def brain_case(shape=(24, 26, 28)) -> TrainingCase:
    """Two images that are zero outside a ball, and a label inside it."""
    z, y, x = np.indices(shape)
    away = (z - 12) ** 2 + (y - 13) ** 2 + (x - 14) ** 2
    image = np.random.default_rng(0).normal(1, 0.3, (2, *shape)) * (away < 80)
    label = torch.from_numpy((away < 20).astype(np.uint8))
    foreground = {("venous", 1): np.argwhere(away < 20)}
    return TrainingCase(
        "brain", torch.from_numpy(image.astype(np.float16)), {"venous": label}, foreground
    )


CHANGED = {
    "cut": {"mirror_probability": 1},
    "zoomed": {"scale_probability": 1},
    "turned": {"rotation_probability": 1, "elastic_probability": 1},
}


@pytest.mark.parametrize("how", CHANGED)
def test_the_background_of_a_brain_is_zero_again_after_all_changes(how):
    changes = CHANGED[how] | {"gamma_probability": 1, "noise_probability": 1}
    batches = {}
    for kept in (False, True):
        settings = STILL.model_copy(
            update=changes | {"noise_variance": (0.1, 0.1), "zero_background": kept}
        )
        made = sampler([brain_case()], patch=(24, 26, 28), augmentation=settings)
        batches[kept] = made.batch(0, 0)
    for name in NAMES:
        with_noise, image = (batches[kept].images[name] for kept in (False, True))
        assert (with_noise != 0).all()
        background = image == 0
        assert 0.7 < background.float().mean() < 0.95
        assert torch.equal(image[~background], with_noise[~background])
    assert torch.equal(batches[True].labels["venous"], batches[False].labels["venous"])
    assert torch.equal(*(batches[True].images[name] == 0 for name in NAMES))


def test_an_unlabelled_case_keeps_its_background_too():
    bare = TrainingCase("brain", brain_case().image, {}, {})
    settings = STILL.model_copy(update={"noise_probability": 1, "zero_background": True})
    batch = sampler([bare], patch=(24, 26, 28), augmentation=settings).batch(0, 0)
    assert (batch.images["venous"] == 0).float().mean() > 0.7
    assert (batch.labels["venous"] == UNLABELLED).all()


def test_in_slices_of_context_the_background_is_kept_as_in_those_that_have_a_label():
    """Where slices move alike. The head is a cylinder: as large in each slice."""
    y, x = np.indices((26, 28))
    head = np.tile(((y - 13) ** 2 + (x - 14) ** 2 < 80), (2, 60, 1, 1)).astype(np.float16)
    case = TrainingCase("head", torch.from_numpy(head), {}, {})
    changes = {"in_slice": True, "rotation_probability": 1, "rotation_degrees": 30.0}
    settings = STILL.model_copy(update=changes | {"zero_background": True})
    made = sampler([case], patch=(4, 26, 28), context=(2, 0, 0), augmentation=settings)
    inside = [made.batch(0, n).images["venous"][0, 0] != 0 for n in range(4) if _within(made, n)]
    assert inside
    for slices in inside:
        assert 0.2 < slices[2].float().mean() < 0.5
        assert torch.equal(slices, slices[2].expand_as(slices))


def _within(made, iteration):
    """Whether the first patch and its context lie in the volume."""
    return 2 <= made.draw(0, iteration, 0).start[0] <= 54
