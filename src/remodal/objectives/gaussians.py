"""Diagonal Gaussians whose product is what several modalities say together.

Source: ReubenDo/U-HVED, u_hved_net.py and application.py (Dorent et al. 2019, after the product of
experts of Wu and Goodman 2018). All is computed in float32, whatever precision the network ran in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from remodal.objectives.subsets import subsets

EPSILON = 1e-7


class Gaussian(NamedTuple):
    """Means and logarithms of variances, of the same shape."""

    mean: Tensor
    log_variance: Tensor


def product_with_prior(experts: Sequence[Gaussian]) -> Gaussian:
    """Product of the experts and of a standard normal: precisions T add up.

    T = 1 + sum of 1 / (var + 1e-7), mean = (sum of mean / (var + 1e-7)) / T, variance = 1 / T.
    """
    precisions = [1 / (expert.log_variance.exp() + EPSILON) for expert in experts]
    total = 1 + sum(precisions)
    weighted = sum(expert.mean * precision for expert, precision in zip(experts, precisions))
    return Gaussian(weighted / total, (1 / total + EPSILON).log())


def sample(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """Mean plus noise times the standard deviation."""
    return gaussian.mean + noise * (0.5 * gaussian.log_variance).exp()


def kl_divergence(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first || second), the mean over all elements."""
    distance = first.log_variance.exp() + (first.mean - second.mean).square()
    ratio = distance / (second.log_variance.exp() + EPSILON)
    return 0.5 * (ratio - 1 + second.log_variance - first.log_variance).mean()


def subset_divergence(experts: Sequence[Gaussian], chosen: Sequence[int]) -> Tensor:
    """How far the other subsets are from the chosen one, and all of them from N(0, 1).

    Sum over all non-empty subsets of KL(q(chosen) || q(subset)) divided by their number less one,
    plus the mean over them of KL(q(subset) || N(0, 1)): 1/14 and 1/15 for four modalities.

    Args:
        experts: of every modality, at least two.
        chosen: which of them the step sees.
    """
    seen = product_with_prior([experts[index] for index in chosen])
    standard = Gaussian(torch.zeros_like(seen.mean), torch.zeros_like(seen.mean))
    products = [product_with_prior(subset) for subset in subsets(experts)]
    between = sum(kl_divergence(seen, product) for product in products)
    beyond = sum(kl_divergence(product, standard) for product in products)
    return between / (len(products) - 1) + beyond / len(products)
