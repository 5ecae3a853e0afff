"""Which phase of contrast a volume shows: by its description, its times, and its enhancement."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from remodal.scan.enhancement import Enhancement, phase_of
from remodal.scan.evidence import DESCRIPTION, MEASURED, ORDER, Evidence
from remodal.scan.grouping import Volume
from remodal.scan.numbers import seconds
from remodal.scan.words import PHASES, found_in, plain_text

#: Seconds after the injection begins from which and until which a scan shows each phase.
_DELAYS = (("plain", -1800, 0), ("arterial", 15, 50), ("venous", 50, 120), ("late", 120, 1800))
#: Seconds between the arterial and the venous scan of one injection.
_BETWEEN = (12, 90)
_MOST_SCANS = 6


def evidence_of_phases(
    volumes: Sequence[Volume], measured: Mapping[int, Enhancement]
) -> list[list[Evidence]]:
    """What speaks for each volume of an examination being of some phase.

    Args:
        volumes: the scans of one examination.
        measured: enhancement of some of them, by their place in `volumes`.
    """
    told = [[*_of_words(one), *_of_delay(one)] for one in volumes]
    for index, of_order in _of_order(volumes).items():
        told[index].append(of_order)
    for index, found in measured.items():
        phase, text = phase_of(found)
        if phase:
            told[index].append(Evidence(phase, MEASURED, text))
    return told


def described_phase(volume: Volume) -> tuple[str, str]:
    """The one phase that a description names, and the word; empty if none or several.

    A late arterial phase is an arterial one, and a late venous phase a late one.
    """
    text = plain_text(volume.description)
    found = {phase: word for phase, words in PHASES.items() if (word := found_in(text, words))}
    if len(found) == 2 and "late" in found:
        if "arterial" in found:
            del found["late"]
        elif "venous" in found:
            del found["venous"]
    return next(iter(found.items())) if len(found) == 1 else ("", "")


def _of_words(volume: Volume) -> Iterator[Evidence]:
    phase, word = described_phase(volume)
    if phase:
        yield Evidence(phase, DESCRIPTION, f"its description says `{word}`")


def _of_delay(volume: Volume) -> Iterator[Evidence]:
    start, acquired = seconds(volume.get("ContrastBolusStartTime")), volume.acquired
    if start is None or acquired is None:
        return
    delay = acquired - start
    for phase, least, most in _DELAYS:
        if least <= delay < most:
            when = "after" if delay > 0 else "before"
            text = f"it was scanned {abs(delay):.0f} s {when} the injection began"
            yield Evidence(phase, MEASURED, text)


def _of_order(volumes: Sequence[Volume]) -> dict[int, Evidence]:
    """The order of the scans: the two that follow each other most closely are arterial and venous.

    What comes before them is plain, what comes after is late. Reconstructions of one scan share its
    time.
    """
    times = sorted(one.acquired for one in volumes if one.acquired is not None)
    scans = [time for before, time in pairwise([-1e9, *times]) if time - before > _BETWEEN[0]]
    pauses = {
        place: later - earlier
        for place, (earlier, later) in enumerate(pairwise(scans))
        if later - earlier <= _BETWEEN[1]
    }
    if not pauses or len(scans) > _MOST_SCANS:
        return {}
    first = min(pauses, key=lambda place: pauses[place])
    told = {}
    for index, volume in enumerate(volumes):
        if volume.acquired is None:
            continue
        place = max(place for place, scan in enumerate(scans) if scan <= volume.acquired)
        name = {first: "arterial", first + 1: "venous"}.get(
            place, "plain" if place < first else "late"
        )
        text = f"it is scan {place + 1} of {len(scans)} by the time of day"
        told[index] = Evidence(name, ORDER, text)
    return told
