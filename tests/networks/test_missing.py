import pytest
import torch
from torch import nn

from remodal.networks.missing import convolve_present

PARTS = list(torch.randn(3, 2, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("missing", [[], [1], [0, 2]])
def test_missing_parts_count_as_zeros(bias, missing):
    torch.manual_seed(0)
    conv = nn.Conv3d(6, 4, 3, padding=1, bias=bias)
    parts = [None if number in missing else part for number, part in enumerate(PARTS)]
    zeros = [torch.zeros_like(PARTS[0]) if part is None else part for part in parts]
    torch.testing.assert_close(convolve_present(conv, parts), conv(torch.cat(zeros, 1)))


def test_the_scale_is_of_the_sum_and_not_of_the_bias():
    torch.manual_seed(0)
    conv = nn.Conv3d(6, 4, 1)
    sums = conv(torch.cat(PARTS, 1)) - conv.bias[:, None, None, None]
    expected = 1.5 * sums + conv.bias[:, None, None, None]
    torch.testing.assert_close(convolve_present(conv, PARTS, scale=1.5), expected)
