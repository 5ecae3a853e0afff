"""What the time since the injection says of a scan's phase."""

from types import SimpleNamespace

import pytest

from remodal.scan.phases import evidence_of_phases

INJECTION = 10 * 3600.0


@pytest.mark.parametrize(
    ("delay", "phase"),
    [
        *[
            (-1, "plain"),
            (-1800, "plain"),
            (-1801, ""),
            (5, ""),
            (15, "arterial"),
            (49, "arterial"),
        ],
        *[(50, "venous"), (119, "venous"), (120, "late"), (1799, "late"), (1800, "")],
    ],
)
def test_a_scan_shows_the_phase_of_its_delay_from_each_ones_first_second_on(delay, phase):
    scan = SimpleNamespace(
        get=lambda keyword: "100000" if keyword == "ContrastBolusStartTime" else "",
        description="",
        acquired=INJECTION + delay,
    )
    [told] = evidence_of_phases([scan], {})
    assert [one.name for one in told] == ([phase] if phase else [])
