"""Which phase of contrast a volume shows: by its description, its times, and its enhancement."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from remodal.scan.enhancement import Enhancement, phase_of
from remodal.scan.evidence import DESCRIPTION, MEASURED, ORDER, Evidence
from remodal.scan.grouping import Volume
from remodal.scan.numbers import seconds
from remodal.scan.words import PHASES, found_in, plain_text

#: Seconds after the injection begins until which a scan shows each phase.
_DELAYS = (("arterial", 15, 50), ("venous", 50, 120), ("late", 120, 1800))
#: Seconds between the arterial and the venous scan of one injection.
_BETWEEN = (12, 90)


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
    text = plain_text(volume.get("SeriesDescription"))
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
            text = f"it was scanned {delay:.0f} s after the injection began"
            yield Evidence(phase, MEASURED, text)


def _of_order(volumes: Sequence[Volume]) -> dict[int, Evidence]:
    """The order of the scans: two that follow each other closely are arterial and venous.

    Reconstructions of one scan share its time. Only two scans are judged, or three of which the
    first is long before the others, as a plain scan is.
    """
    times = sorted({round(one.acquired) for one in volumes if one.acquired is not None})
    scans = [time for before, time in pairwise([-1e9, *times]) if time - before > _BETWEEN[0]]
    names: dict[float, str] = {}
    if len(scans) in (2, 3) and _BETWEEN[0] <= scans[-1] - scans[-2] <= _BETWEEN[1]:
        names = {scans[-2]: "arterial", scans[-1]: "venous"}
        if len(scans) == 3:
            names[scans[0]] = "plain"
    told = {}
    for index, volume in enumerate(volumes):
        if volume.acquired is None or not names:
            continue
        scan = max((one for one in names if one <= volume.acquired + 1), default=None)
        if scan is not None:
            place = sorted(names).index(scan) + 1
            text = f"it is scan {place} of {len(names)} by the time of day"
            told[index] = Evidence(names[scan], ORDER, text)
    return told
