"""Which cases a method and a scenario have, and what is refused before anything runs."""

from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.settings.composition import compose
from remodal.splits.completeness import (
    lacking,
    left_out,
    require_enough_patients,
)

CONFIG = Path(__file__).parents[2] / "config"
BOTH = ("arterial", "venous")


def liver(**overrides):
    return compose({"study": "liver", "preset": "smoke"} | overrides, CONFIG)


def patients(*modalities: tuple[str, ...], visits: int = 1) -> list[CaseSource]:
    """A patient for each, with this many examinations."""
    return [
        CaseSource(
            f"c{n}-{visit}",
            f"p{n}",
            "",
            {m: Path(m) for m in present},
            {present[0]: LabelSource((Path("l"),))},
        )
        for n, present in enumerate(modalities)
        for visit in range(visits)
    ]


def test_what_is_lacking_comes_in_the_wanted_order():
    assert lacking(["t2"], ["t1", "t2", "flair"]) == ["t1", "flair"]
    assert lacking(BOTH, ["venous"]) == []


def test_test_cases_are_left_out_by_the_scenarios_whose_images_they_lack():
    splits = {
        "folds": [{"train": ["a"], "test": ["b"]}, {"train": ["b"], "test": ["c"]}],
        "modalities": {"a": ["venous"], "b": ["venous"], "c": [*BOTH]},
    }
    assert left_out(liver(), splits) == {
        "both": {"b": ["arterial"]},
        "arterial": {"b": ["arterial"]},
        "venous": {},
    }


def test_two_complete_patients_are_enough():
    require_enough_patients(liver(), patients(BOTH, BOTH, ("venous",)))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        (patients(BOTH, ("venous",), ("venous",)), "arterial and venous images.*`nnunet`.*: 1;"),
        (patients(BOTH, visits=2), "arterial and venous images.*: 1;"),
        (patients(("venous",), ("venous",)), "arterial and venous images.*: 0;"),
    ],
)
def test_fewer_are_refused_in_one_line(cases, said):
    with pytest.raises(UserError, match=f"{said}.*at least 2, to train on one and test") as raised:
        require_enough_patients(liver(), cases)
    assert "\n" not in str(raised.value)
