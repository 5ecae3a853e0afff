"""Images of a case that were swapped are noticed by a contrast that the other cases share."""

import pytest

from remodal.splits.swapped import swapped_images

USUAL = {name: {"t1": 0.9, "t2": 0.35} for name in "abcdefg"}


def test_the_case_that_is_the_other_way_round_is_named():
    (said,) = swapped_images(USUAL | {"c": {"t1": 0.3, "t2": 0.9}}).items()
    assert said == (
        "c",
        "t1 and t2 may be swapped: what is labelled is brighter in t2 than in t1, against the "
        "body, and in the other cases darker",
    )
    upside_down = {case: {"t1": one["t2"], "t2": one["t1"]} for case, one in USUAL.items()}
    (said,) = swapped_images(upside_down | {"c": USUAL["c"]}).values()
    assert "brighter in t1 than in t2" in said


def test_five_cases_and_a_small_difference_will_do():
    cases = {name: {"t1": 0.5, "t2": 0.3} for name in "abcd"}
    assert list(swapped_images(cases | {"e": {"t1": 0.3, "t2": 0.5}})) == ["e"]


@pytest.mark.parametrize(
    "brightness",
    [
        USUAL,
        # Half as much the other way round as usual is what it takes, whichever image is brighter.
        {name: {"t1": 0.3, "t2": 0.9} for name in "abdefg"} | {"c": {"t1": 0.6, "t2": 0.4}},
        # A liver that shines less than usual, or not at all, is not the other way round.
        USUAL | {"c": {"t1": 0.5, "t2": 0.5}},
        USUAL | {"c": {"t1": 0.4, "t2": 0.5}},
        # Of four cases nobody knows which is the odd one.
        {**dict(list(USUAL.items())[:3]), "z": {"t1": 0.3, "t2": 0.9}},
        # Images that look alike in all cases.
        {case: {"t1": 0.5, "t2": 0.45} for case in USUAL} | {"c": {"t1": 0.1, "t2": 0.9}},
        # A label of one image only.
        USUAL | {"c": {"t2": 0.9}},
    ],
)
def test_what_is_only_unusual_or_unknown_is_not_doubted(brightness):
    assert swapped_images(brightness) == {}
