from math import exp

import pytest

from remodal.objectives.batch import Step
from remodal.objectives.ramp_up import ramp_up


def at(number, total):
    return Step(epoch=0, iteration=number, epochs=1, iterations=total)


def test_it_is_the_repository_s_in_6000_iterations():
    """exp(-5 (1 - min(it // 150, 40) / 40)^2)."""
    for number in range(0, 6001, 50):
        expected = exp(-5 * (1 - min(number // 150, 40) / 40) ** 2)
        assert ramp_up(at(number, 6000)) == pytest.approx(expected, abs=1e-12), number


def test_it_begins_near_zero_and_ends_at_one():
    assert ramp_up(at(0, 6000)) == pytest.approx(0.0067, abs=5e-5)
    assert ramp_up(at(5999, 6000)) < 1
    assert ramp_up(at(6000, 6000)) == 1


def test_a_shorter_training_rises_alike():
    rises = [[ramp_up(at(n * total // 40, total)) for n in range(40)] for total in (40, 400, 1200)]
    assert rises[0] == rises[1] == rises[2]


def test_rounding_costs_no_stair():
    """12 of 0.1 * 192 iterations are 25 of 40 stairs, and 24.999999999999996 in floats."""
    assert ramp_up(at(12, 192), share=0.1) == ramp_up(at(25, 40))


def test_a_share_of_the_training_and_no_stairs():
    assert ramp_up(at(500, 1000), share=0.5) == 1
    assert ramp_up(at(0, 1000), share=0) == 1
    assert ramp_up(at(333, 1000), stairs=None) == pytest.approx(exp(-5 * 0.667**2))
