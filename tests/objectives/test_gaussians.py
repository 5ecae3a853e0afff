import pytest
import torch
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence as kl_of_torch

from remodal.objectives.gaussians import (
    Gaussian,
    kl_divergence,
    product_with_prior,
    sample,
    subset_divergence,
)

SHAPE = (1, 2, 2, 3, 3)


def experts(count):
    generator = torch.Generator().manual_seed(0)
    return [Gaussian(*torch.randn(2, *SHAPE, generator=generator)) for _ in range(count)]


def normal(gaussian):
    return Normal(gaussian.mean, (0.5 * gaussian.log_variance).exp())


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_product_has_the_density_of_the_factors_and_the_prior_up_to_a_constant(count):
    """The closed form, checked by densities: log p - sum of log p_i is the same at any point."""
    given = experts(count)
    product = normal(product_with_prior(given))
    prior = Normal(torch.zeros(SHAPE), torch.ones(SHAPE))
    constants = [
        product.log_prob(at) - sum(factor.log_prob(at) for factor in [prior, *map(normal, given)])
        for at in (torch.full(SHAPE, -1.5), torch.full(SHAPE, 0.3), torch.full(SHAPE, 2.0))
    ]
    torch.testing.assert_close(constants[0], constants[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(constants[0], constants[2], atol=1e-4, rtol=1e-4)


def test_a_product_by_hand():
    """Two experts of variance 1 and 1/2, so T = 1 + 1 + 2 = 4; means 4 and 2: (4 + 4) / 4."""
    given = [
        Gaussian(torch.tensor(4.0), torch.tensor(0.0)),
        Gaussian(torch.tensor(2.0), torch.tensor(0.5).log()),
    ]
    product = product_with_prior(given)
    assert product.mean.item() == pytest.approx(2.0, abs=1e-5)
    assert product.log_variance.exp().item() == pytest.approx(0.25, abs=1e-5)


def test_an_expert_that_is_sure_decides_and_one_that_is_not_says_nothing():
    sure, unsure = torch.tensor(-50.0), torch.tensor(50.0)
    product = product_with_prior([Gaussian(torch.tensor(3.0), sure)])
    assert product.mean.item() == pytest.approx(3.0, abs=1e-5)
    product = product_with_prior([Gaussian(torch.tensor(3.0), unsure)])
    assert (product.mean.item(), product.log_variance.item()) == pytest.approx((0, 0), abs=1e-5)


def test_the_divergence_is_that_of_torch():
    first, second = experts(2)
    expected = kl_of_torch(normal(first), normal(second)).mean()
    torch.testing.assert_close(kl_divergence(first, second), expected, atol=1e-5, rtol=1e-5)
    assert kl_divergence(first, first).item() == pytest.approx(0, abs=1e-6)


def test_the_divergence_of_subsets_is_over_all_of_them():
    """For two modalities the subsets are (0,), (1,) and (0, 1), the weights 1/2 and 1/3."""
    given = experts(2)
    alone, other = (product_with_prior([expert]) for expert in given)
    both = product_with_prior(given)
    standard = Gaussian(torch.zeros(SHAPE), torch.zeros(SHAPE))
    between = kl_divergence(alone, other) + kl_divergence(alone, both)
    beyond = sum(kl_divergence(each, standard) for each in (alone, other, both))
    found = subset_divergence(given, [0])
    torch.testing.assert_close(found, between / 2 + beyond / 3, atol=1e-5, rtol=1e-5)


def test_a_sample_has_the_mean_and_the_deviation():
    gaussian = Gaussian(torch.full((20000,), 2.0), torch.tensor(0.09).log())
    drawn = sample(gaussian, torch.randn(20000, generator=torch.Generator().manual_seed(0)))
    assert (drawn.mean().item(), drawn.std().item()) == pytest.approx((2.0, 0.3), abs=0.01)
