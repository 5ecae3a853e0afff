import pytest
import torch

from remodal.networks.perturbation import (
    channel_dropout,
    clamped_noise,
    feature_noise,
    strongest_dropout,
)


@pytest.fixture
def features():
    return 1 + torch.rand(2, 5, 4, 6, 8, generator=torch.Generator().manual_seed(0))


def test_noise_in_an_image_is_gaussian_and_clamped():
    torch.manual_seed(0)
    noise = clamped_noise(torch.full((1, 1, 40, 40, 40), 5.0), 0.1, 0.2) - 5
    assert noise.abs().max() == pytest.approx(0.2, abs=1e-6)
    # 2.275 % of a Gaussian lie beyond two standard deviations on either side.
    assert (noise > 0.1999).float().mean() == pytest.approx(0.02275, abs=0.002)
    assert noise.mean() == pytest.approx(0, abs=0.002)


def test_noise_in_features_is_relative_uniform_and_the_same_for_all_samples(features):
    torch.manual_seed(0)
    change = feature_noise(features, 0.3) / features - 1
    assert -0.3 <= change.min() < -0.28
    assert 0.28 < change.max() <= 0.3
    torch.testing.assert_close(change[0], change[1])
    assert len(change[0].unique()) > 900


def test_whole_channels_are_dropped_and_the_others_scaled(features):
    torch.manual_seed(0)
    many = features.repeat(20, 20, 1, 1, 1)
    changed = channel_dropout(many, 0.3)
    dropped = (changed == 0).all(dim=(2, 3, 4), keepdim=True)
    assert dropped.float().mean() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(changed, torch.where(dropped, 0, many / 0.7))


def test_the_voxels_that_respond_most_are_dropped_in_each_sample(features):
    torch.manual_seed(0)
    features[1] *= 10
    changed = strongest_dropout(features, 0.8, 0.8)
    for before, after in zip(features, changed):
        response = before.mean(0)
        kept = response < 0.8 * response.max()
        assert 0 < kept.sum() < kept.numel()
        assert torch.equal(after, torch.where(kept, before, 0))


def test_the_share_of_the_strongest_is_drawn(features):
    torch.manual_seed(0)
    kept = [int((strongest_dropout(features, 0.7, 0.9) > 0).sum()) for _ in range(20)]
    bounds = [int((strongest_dropout(features, *[share] * 2) > 0).sum()) for share in (0.7, 0.9)]
    assert len(set(kept)) > 5
    assert bounds[0] <= min(kept) < max(kept) <= bounds[1]
