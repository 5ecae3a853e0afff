"""Numbers as a reader sees them."""

from math import nan

import pytest

from remodal.report.formats import latex
from remodal.report.page import duration, gibibytes, millions
from remodal.report.wording import number, p_value


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (3.14159, False, "3.14"),
        (-2.5, False, "−2.50"),
        (2.5, True, "+2.50"),
        (-0.001, True, "0.00"),
        (0.0, True, "0.00"),
        (nan, False, "–"),
        (None, False, "–"),
    ],
)
def test_numbers(value, signed, text):
    assert number(value, signed=signed) == text


def test_p_values():
    assert [p_value(p) for p in (0.0004, 0.001, 0.0461, 1.0, nan)] == [
        "< 0.001",
        "0.001",
        "0.046",
        "1.000",
        "–",
    ]


def test_latex_escapes_what_it_must():
    assert latex("a_b & 5 % < $x ± −1 – {y}") == (r"a\_b \& 5 \% $<$ \$x $\pm$ $-$1 -- \{y\}")


def test_time_memory_and_parameters():
    assert [duration(s) for s in (None, 4.23, 185, 3725)] == [
        "–",
        "4.2 s",
        "3 min 05 s",
        "1 h 02 min",
    ]
    assert gibibytes(3 * 2**30) == "3.00 GiB"
    assert millions(31_190_000) == "31.19 M"
    assert gibibytes(None) == millions(None) == "–"
