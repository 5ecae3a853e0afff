from math import exp

import pytest
import torch
import torch.nn.functional as F

from remodal.networks.uncertain_region import (
    Form,
    LocalConfidenceConvolution,
    UncertainRegion,
    certainty,
    certainty_of,
)


@pytest.mark.parametrize("classes", [2, 4])
def test_certainty_is_eq_3(classes):
    """M = 1 - exp(1 - Smax / Smin), one pixel at a time."""
    torch.manual_seed(0)
    logits = torch.randn(2, classes, 3, 4)
    found = certainty(logits)
    assert found.shape == (2, 1, 3, 4)
    for sample in range(2):
        for y in range(3):
            for x in range(4):
                p = torch.softmax(logits[sample, :, y, x].double(), 0)
                second, largest = sorted(p.tolist())[-2:]
                expected = 1 - exp(1 - largest / second)
                assert found[sample, 0, y, x].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("p", "m"), [(0.629, 0.5), (0.768, 0.9), (0.849, 0.99), (0.5, 0.0)])
def test_certainty_at_some_probabilities(p, m):
    logits = torch.tensor([p, 1 - p]).log().view(1, 2, 1, 1)
    assert certainty(logits).item() == pytest.approx(m, abs=2e-3)


@pytest.mark.parametrize("difference", [0.0, 1.0, 50.0])
def test_the_gradient_of_certainty_is_its_closed_form(difference):
    d = torch.tensor(difference, requires_grad=True)
    certainty_of(d).backward()
    expected = exp(difference) * exp(max(1 - exp(difference), -700))
    assert d.grad.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("difference", [0.0, 1.0, 50.0, 1e4])
def test_the_gradient_reaches_the_logits_and_is_finite(difference):
    logits = torch.tensor([0.0, difference]).view(1, 2, 1, 1).requires_grad_()
    certainty(logits).sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0 or difference > 20


def by_eq_4(features, mask, weight, bias, scale=1.0):
    """LC-Conv, one pixel at a time; nothing is added outside the image."""
    samples, _, height, width = features.shape
    found = torch.zeros(samples, len(bias), height, width, dtype=features.dtype)
    for b in range(samples):
        for y in range(height):
            for x in range(width):
                response, total = torch.zeros_like(bias), 1e-6
                for j in (-1, 0, 1):
                    for i in (-1, 0, 1):
                        if 0 <= y + j < height and 0 <= x + i < width:
                            m = mask[b, 0, y + j, x + i]
                            seen = features[b, :, y + j, x + i] * m
                            response += weight[:, :, j + 1, i + 1] @ seen
                            total += m
                found[b, :, y, x] = scale * response / total + bias
    return found


@pytest.mark.parametrize("scale", [False, True])
def test_the_convolution_is_eq_4(scale):
    torch.manual_seed(0)
    convolve = LocalConfidenceConvolution(3, 2, Form(scale=scale)).double()
    features, mask = torch.randn(2, 3, 4, 5).double(), torch.rand(2, 1, 4, 5).double()
    expected = by_eq_4(
        features, mask, convolve.conv.weight, convolve.conv.bias, 9.0 if scale else 1.0
    )
    torch.testing.assert_close(convolve(features, mask), expected)


@pytest.mark.parametrize(("scale", "share"), [(False, 1 / 9), (True, 1.0)])
def test_where_all_is_certain_it_is_a_share_of_an_ordinary_convolution(scale, share):
    torch.manual_seed(0)
    convolve = LocalConfidenceConvolution(3, 2, Form(scale=scale))
    features = torch.randn(1, 3, 5, 6)
    found = convolve(features, torch.ones(1, 1, 5, 6))
    ordinary = F.conv2d(features, convolve.conv.weight, padding=1)
    expected = share * ordinary + convolve.conv.bias[:, None, None]
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(found[inner], expected[inner])


def test_where_all_is_a_tie_the_response_is_the_bias():
    convolve = LocalConfidenceConvolution(3, 2, Form())
    found = convolve(torch.randn(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    assert torch.equal(found, convolve.conv.bias[None, :, None, None].expand_as(found))


def test_a_bias_added_first_is_divided_too():
    convolve = LocalConfidenceConvolution(1, 1, Form(bias_first=True))
    found = convolve(torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(found[0, 0, 1, 1], convolve.conv.bias[0] / 9)


def region(**form):
    torch.manual_seed(0)
    return UncertainRegion(5, 2, 4, Form(**form))


def test_the_mask_grows_by_a_pixel_with_each_convolution():
    logits = torch.zeros(1, 2, 15, 15)
    logits[0, 1, 7, 7] = 30
    _, (before, after) = region()(torch.randn(1, 5, 15, 15), logits)
    assert before.sum() == before[0, 0, 7, 7] == 1
    assert after.sum() == after[0, 0, 3:12, 3:12].sum() == 81


def test_released_code_s_sigmoid_nearly_disables_the_mask():
    _, (_, after) = region(sigmoid=True)(torch.randn(1, 5, 15, 15), torch.randn(1, 2, 15, 15))
    assert 0.5 <= after.min() <= after.max() <= 0.731059


def test_an_uncertain_pixel_gets_what_is_around_it():
    """Its own features count for nothing in the refined ones."""
    net = region(beside=False).eval()
    torch.manual_seed(1)
    features, logits = torch.randn(1, 5, 9, 9), 5 * torch.randn(1, 2, 9, 9)
    logits[0, :, 4, 4] = 0
    changed = features.clone()
    changed[0, :, 4, 4] += 10
    torch.testing.assert_close(net(changed, logits)[0], net(features, logits)[0])
    beside = region().eval()
    different = beside(changed, logits)[0] != beside(features, logits)[0]
    assert different.any(1).nonzero().tolist() == [[0, 4, 4]]


@pytest.mark.parametrize("detach", [False, True])
def test_the_mask_trains_the_first_answer_unless_it_is_detached(detach):
    net = region(detach=detach)
    features, logits = torch.randn(1, 5, 9, 9), torch.randn(1, 2, 9, 9, requires_grad=True)
    _, (before, _) = net(features, logits)
    assert before.requires_grad is not detach


def test_no_gradient_is_lost_to_an_answer_that_is_a_tie_everywhere():
    net = region()
    logits = torch.zeros(2, 2, 9, 9, requires_grad=True)
    net(torch.randn(2, 5, 9, 9), logits)[0].square().sum().backward()
    assert logits.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())
