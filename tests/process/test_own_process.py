"""A process of its own: results, errors, crashes."""

import os
import random
import signal
import traceback

import pytest

from remodal.errors import BadCase, EnvironmentProblem
from remodal.process.own_process import Crashed, in_own_process


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)


def refuse() -> None:
    raise BadCase("is bent", where="image", remedy="straighten it")


def divide() -> None:
    1 / 0  # noqa: B018


def test_the_result_comes_back_and_nothing_else():
    random.seed(1)
    before = random.getstate()
    assert in_own_process(lambda a, b: (random.random(), a + b), [1], [2])[1] == [1, 2]
    assert random.getstate() == before


def test_a_large_result_comes_back():
    assert len(in_own_process(lambda: bytes(10_000_000))) == 10_000_000


def test_an_error_comes_back_as_it_was():
    with pytest.raises(BadCase) as told:
        in_own_process(refuse)
    assert str(told.value) == "image: is bent; straighten it"
    assert (told.value.what, told.value.remedy) == ("is bent", "straighten it")


def test_a_fault_brings_the_traceback_of_its_own_process_along():
    with pytest.raises(ZeroDivisionError) as told:
        in_own_process(divide)
    assert "in divide" in "".join(traceback.format_exception(told.value))


def test_a_result_that_cannot_be_handed_on_is_a_fault_of_ours_and_not_of_the_machine():
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        in_own_process(lambda: lambda: None)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGSEGV, "segmentation fault"), (signal.SIGABRT, "abort")]
)
def test_a_crash_is_named_and_survived(number, words):
    with pytest.raises(Crashed, match=words):
        in_own_process(die_of, number)


def test_a_kill_is_no_crash_but_what_the_kernel_does_when_memory_runs_out():
    with pytest.raises(MemoryError, match="was killed"):
        in_own_process(die_of, signal.SIGKILL)


def test_another_end_from_outside_is_no_crash():
    with pytest.raises(EnvironmentProblem, match="was ended"):
        in_own_process(die_of, signal.SIGTERM)
