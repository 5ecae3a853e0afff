import numpy as np
import pytest
import torch
from scipy import ndimage

from remodal.settings import AugmentationSettings
from remodal.training import augmentation as change

SHAPE = (16, 16, 16)


def off(**probabilities):
    """The recipe with every probability at zero but the given ones."""
    fields = AugmentationSettings.model_fields
    none = {name: 0.0 for name in fields if name.endswith("_probability")}
    return AugmentationSettings(**none | probabilities)


def draw(settings, seed=0):
    return change.draw_augmentation(np.random.default_rng(seed), settings, SHAPE, 2)


def image(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, *SHAPE), generator=generator) * 1.7 + 0.4


def test_nothing_happens_at_probability_zero():
    drawn = draw(off())
    assert drawn.deformation is None
    assert drawn.mirrored == (False, False, False)
    assert drawn.changes == []


def test_the_legacy_recipe_is_the_default_and_happens_as_often_as_it_says():
    drawn = [draw(AugmentationSettings(), seed) for seed in range(3000)]
    deformed = np.mean([each.deformation is not None for each in drawn])
    assert deformed == pytest.approx(1 - 0.8**3, abs=0.03)
    assert np.mean([each.mirrored for each in drawn], 0) == pytest.approx([0.5] * 3, abs=0.03)
    assert np.mean([len(each.changes) for each in drawn]) == pytest.approx(0.3, abs=0.03)


def test_rotations_stay_within_their_limit_and_zooms_within_theirs():
    for seed in range(200):
        matrix = draw(off(rotation_probability=1.0, scale_probability=1.0), seed).deformation.matrix
        zoom = np.linalg.det(matrix) ** (1 / 3)
        assert 0.85 <= zoom <= 1.25
        np.testing.assert_allclose(matrix @ matrix.T, zoom**2 * np.eye(3), atol=1e-12)
        # three turns of at most 15 degrees each
        angle = np.degrees(np.arccos((np.trace(matrix) / zoom - 1) / 2))
        assert angle <= 45


def test_a_rotation_about_one_axis_leaves_that_axis():
    matrix = change.rotation(np.radians([30.0, 0.0, 0.0]))
    half, root = 0.5, np.sqrt(3) / 2
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, root, -half], [0, half, root]], atol=1e-12)


def test_within_the_slices_no_voxel_leaves_its_own_and_all_slices_move_alike():
    always = {f"{name}_probability": 1.0 for name in ("rotation", "scale", "elastic")}
    for seed in range(20):
        free, flat = (
            draw(off(**always).model_copy(update={"in_slice": in_slice}), seed)
            for in_slice in (False, True)
        )
        offsets = flat.deformation.matrix @ np.array([[0, 3], [5, -4], [2, 7]])
        np.testing.assert_array_equal(offsets[0], [0, 3])
        matrix = flat.deformation.matrix[1:, 1:]
        zoom = np.linalg.det(free.deformation.matrix) ** (1 / 3)
        np.testing.assert_allclose(matrix @ matrix.T, zoom**2 * np.eye(2), atol=1e-12)
        assert not flat.deformation.elastic.noise[0].any()
        np.testing.assert_array_equal(
            flat.deformation.elastic.noise[1:], free.deformation.elastic.noise[1:, :1]
        )
        assert flat.mirrored == free.mirrored


def test_factors_are_as_often_below_one_as_above():
    rng = np.random.default_rng(0)
    drawn = np.array([change.around_one(rng, (0.7, 1.5)) for _ in range(2000)])
    assert drawn.min() >= 0.7
    assert drawn.max() <= 1.5
    assert np.mean(drawn < 1) == pytest.approx(0.5, abs=0.04)
    assert np.mean(drawn[drawn > 1]) == pytest.approx(1.25, abs=0.02)


def test_an_elastic_strength_follows_the_legacy_formula():
    settings = off(elastic_probability=1.0).model_copy(
        update={"elastic_alpha": (900.0, 900.0), "elastic_sigma": (9.0, 9.0)}
    )
    elastic = draw(settings).deformation.elastic
    # uniform noise (sd 1/sqrt 3) through a 3-D Gaussian of sigma 9, times 900, by hand
    assert elastic.amplitude == pytest.approx(2.8835, abs=1e-3)


@pytest.mark.parametrize("inverted", [False, True])
def test_gamma_keeps_mean_and_deviation_of_each_modality(inverted):
    before, after = image(), image()
    change.change_gamma(after, [0.7, 1.5], inverted=inverted)
    for old, new in zip(before, after):
        assert not torch.allclose(old, new, atol=0.05)
        torch.testing.assert_close(new.mean(), old.mean(), atol=1e-5, rtol=0)
        torch.testing.assert_close(new.std(), old.std(), atol=0, rtol=1e-4)


@pytest.mark.parametrize("sign", [1, -1], ids=["plain", "inverted"])
def test_gamma_is_a_power_of_the_range(sign):
    changed = image()
    change.change_gamma(changed, [0.8, 1.3], inverted=sign < 0)
    for old, new, exponent in zip(image().double().numpy(), changed, [0.8, 1.3]):
        x = sign * old
        powered = ((x - x.min()) / (x.max() - x.min())) ** exponent
        expected = (powered - powered.mean()) / powered.std() * x.std() + x.mean()
        np.testing.assert_allclose(new, sign * expected, atol=1e-4)


def test_gamma_of_a_constant_image_changes_nothing():
    constant = torch.full((2, *SHAPE), 3.0)
    change.change_gamma(constant, [0.7, 1.5])
    assert torch.equal(constant, torch.full((2, *SHAPE), 3.0))


def test_noise_has_the_drawn_deviation_and_is_the_same_again():
    first, second = image(), image()
    change.add_noise(first, spread=0.1, seed=5)
    change.add_noise(second, spread=0.1, seed=5)
    assert torch.equal(first, second)
    noise = first - image()
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)


def test_blur_is_that_of_scipy_and_leaves_out_modalities_with_zero():
    blurred = image()
    change.blur(blurred, [[0.5, 1.0, 0.8], [0, 0, 0]])
    sigmas = np.array([0.5, 1.0, 0.8])
    expected = ndimage.gaussian_filter(
        image()[0].numpy(), sigmas, mode="nearest", radius=np.ceil(3 * sigmas).astype(int)
    )
    np.testing.assert_allclose(blurred[0], expected, atol=1e-5)
    assert torch.equal(blurred[1], image()[1])


def test_brightness_is_a_factor_of_each_modality():
    changed = image()
    change.change_brightness(changed, [0.75, 1.25])
    torch.testing.assert_close(changed, image() * torch.tensor([0.75, 1.25]).view(2, 1, 1, 1))


def test_contrast_stretches_about_the_mean_within_the_old_range():
    changed = image()
    change.change_contrast(changed, [1.2, 0.8])
    for old, new, factor in zip(image(), changed, [1.2, 0.8]):
        expected = ((old - old.mean()) * factor + old.mean()).clamp(old.min(), old.max())
        torch.testing.assert_close(new, expected)


def test_low_resolution_keeps_only_every_second_voxel():
    changed = image()
    change.lower_resolution(changed, [0.5, 1.0])
    small = torch.nn.functional.interpolate(
        image()[:1, None], scale_factor=0.5, mode="nearest-exact"
    )
    expected = torch.nn.functional.interpolate(small, SHAPE, mode="trilinear")[0, 0]
    torch.testing.assert_close(changed[0], expected)
    assert torch.equal(changed[1], image()[1])


def test_the_later_trainers_changes_can_be_switched_on():
    wanted = {
        f"{name}_probability": 1.0
        for name in ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma")
    }
    drawn = draw(off(**wanted, gamma_inverted_probability=1.0))
    names = [each.func.__name__ for each in drawn.changes]
    assert names == [
        "add_noise",
        "blur",
        "change_brightness",
        "change_contrast",
        "lower_resolution",
        "change_gamma",
        "change_gamma",
    ]
    changed = image()
    for each in drawn.changes:
        each(changed)
    assert torch.isfinite(changed).all()


def test_an_offset_is_added_to_each_modality():
    image = torch.zeros((2, 2, 3, 4))
    change.add_offset(image, numbers=[0.5, -0.25])
    assert image.flatten(1).unique(dim=1).tolist() == [[0.5], [-0.25]]


def test_changes_that_are_new_leave_the_draws_of_the_others():
    known = off(gamma_probability=1.0, mirror_probability=0.5)
    names = ("offset", "translation", "one_mirror")
    more = known.model_copy(update={f"{name}_probability": 1.0 for name in names})
    for seed in range(10):
        before, after = draw(known, seed), draw(more, seed)
        assert sum(map(int.__ne__, before.mirrored, after.mirrored)) == 1
        assert before.mirrored[0] == after.mirrored[0]
        assert before.changes[0].keywords == after.changes[0].keywords


def test_a_translation_is_some_share_of_the_patch_and_within_the_slices_leaves_them():
    moving = off(translation_probability=1.0, translation=0.25)
    found = np.array([draw(moving, seed).translation for seed in range(300)])
    limits = np.rint(0.25 * np.array(SHAPE)).astype(int)
    assert (abs(found) <= limits).all()
    assert (abs(found).max(0) == limits).all()
    flat = moving.model_copy(update={"in_slice": True})
    assert not any(draw(flat, seed).translation[0] for seed in range(20))
