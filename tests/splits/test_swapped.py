"""Images of a case that were swapped are noticed by a contrast that the other cases share."""

from pathlib import Path

import pytest

from remodal.geometry.volume import Volume
from remodal.intake.datasets.t1t2_phantom import Pair, T1T2PhantomOptions
from remodal.phantom.liver_mr.bids_files import simulate_pair
from remodal.registration.labels import brightness
from remodal.settings.composition import compose
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


@pytest.mark.parametrize(
    "brightness",
    [
        USUAL,
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


def test_swapped_pairs_are_noticed_among_simulated_ones(tmp_path: Path):
    options = T1T2PhantomOptions(pairs=6, patients=6, matrix=(40, 40), slices=(12, 10))
    settings = compose({"study": "liver", "preset": "smoke"})
    settings = settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"classes": {"liver": [1, 2]}}),
            "registration": settings.registration.model_copy(update={"body_threshold": None}),
        }
    )
    measured = {}
    for number in range(1, 7):
        scans, _, _ = simulate_pair(options, Pair(number, 1))
        measured[str(number)] = {
            name: brightness(
                *(Volume(array, scan.slices.grid) for array in (scan.image, scan.label)), settings
            )
            for name, scan in scans.items()
        }
    assert swapped_images(measured) == {}
    for case, found in measured.items():
        swapped = {"t1": found["t2"], "t2": found["t1"]}
        assert list(swapped_images(measured | {case: swapped})) == [case]
