"""Which sequence of MR a volume shows: T1, T1 with contrast, T2 or FLAIR."""

from collections.abc import Iterator, Sequence

from remodal.scan.evidence import DESCRIPTION, MEASURED, ORDER, Evidence
from remodal.scan.grouping import Volume
from remodal.scan.words import CONTRAST, OTHER_SEQUENCES, PHASES, SEQUENCES, found_in, plain_text

# Times in ms that tell the weightings of conventional sequences apart at 1.5 and 3 T.
_LONG_TR, _SHORT_TR, _SHORT_TE, _LONG_TE = 1800, 1000, 30, 60
_FLAIR_TI = (1500, 3000)
_PAUSE = 60  # seconds between the images before and after an injection, at least


def evidence_of_sequences(volumes: Sequence[Volume]) -> list[list[Evidence]]:
    """What speaks for each MR volume of an examination being a T1, T1ce, T2 or FLAIR image."""
    weightings = [_weighting(one) for one in volumes]
    told = []
    for volume, found in zip(volumes, weightings):
        if any(name == "t1" for name, _, _ in found):
            told.append(list(_t1(volume, found, volumes, weightings)))
        else:
            told.append([Evidence(*one) for one in found])
    return told


def is_t1(volume: Volume) -> bool:
    """Whether description or times say that a volume is a T1 image, with contrast or without."""
    return any(name == "t1" for name, _, _ in _weighting(volume))


def _weighting(volume: Volume) -> list[tuple[str, int, str]]:
    """Name, weight and reason of what description and times say, contrast aside."""
    if volume.get("Modality") != "MR":
        return []
    text = plain_text(volume.description)
    words = {*volume.get("ImageType").split("\\"), *volume.get("ScanningSequence").split("\\")}
    if found_in(text, OTHER_SEQUENCES) or words & {"DIFFUSION", "TRACEW", "EP"}:
        return []
    return [*_of_words(text), *_of_times(volume)]


def _of_words(text: str) -> Iterator[tuple[str, int, str]]:
    found = {name: word for name, words in SEQUENCES.items() if (word := found_in(text, words))}
    # `t2 flair` is FLAIR, `t1 flair` is T1.
    if "flair" in found:
        found = {"t1": "t1 flair"} if "t1" in found else {"flair": found["flair"]}
    if len(found) == 1:
        name, word = next(iter(found.items()))
        yield name, DESCRIPTION, f"its description says `{word}`"


def _of_times(volume: Volume) -> Iterator[tuple[str, int, str]]:
    repetition, echo = volume.number("RepetitionTime"), volume.number("EchoTime")
    inversion = volume.number("InversionTime") or 0
    if repetition is None or echo is None:
        return
    times = f"TR {repetition:.0f}, TE {echo:.0f}" + (f", TI {inversion:.0f}" if inversion else "")
    if echo >= _LONG_TE and _FLAIR_TI[0] <= inversion <= _FLAIR_TI[1]:
        yield "flair", MEASURED, f"{times} ms"
    elif echo >= _LONG_TE and repetition >= _LONG_TR and not inversion:
        yield "t2", MEASURED, f"{times} ms"
    elif echo <= _SHORT_TE and (repetition <= _SHORT_TR or 400 <= inversion <= 1300):
        yield "t1", MEASURED, f"{times} ms"


def _t1(
    volume: Volume,
    found: list[tuple[str, int, str]],
    volumes: Sequence[Volume],
    weightings: Sequence[list[tuple[str, int, str]]],
) -> Iterator[Evidence]:
    """A T1 image's evidence, with that for or against a contrast agent."""
    with_agent, because = _contrast(volume)
    name = "t1ce" if with_agent else "t1"
    if because:
        yield Evidence(name, MEASURED, because)
    elif later := _is_later(volume, volumes, weightings):
        # Nothing else tells whether it shows contrast, so all the rest counts for nothing.
        yield Evidence("t1ce", ORDER, later)
        return
    for other, weight, text in found:
        yield Evidence(name if other == "t1" else other, weight, text)


def _contrast(volume: Volume) -> tuple[bool | None, str]:
    """Whether a contrast agent was given, and what says so; None if nothing does."""
    text = plain_text(volume.description)
    if word := found_in(text, PHASES["plain"]):
        return False, f"without contrast (`{word}`)"
    if word := found_in(text, CONTRAST):
        return True, f"with contrast (`{word}`)"
    agent = plain_text(volume.get("ContrastBolusAgent"))
    if agent and agent not in ("none", "no", "0", "n", "nein", "non"):
        return True, "a contrast agent is named"
    return None, ""


def _is_later(
    volume: Volume, volumes: Sequence[Volume], weightings: Sequence[list[tuple[str, int, str]]]
) -> str:
    """Whether a T1 image of the same name, equally silent about contrast, came before this one."""
    mine = plain_text(volume.description)
    earlier = any(
        other is not volume
        and any(name == "t1" for name, _, _ in found)
        and _contrast(other)[0] is None
        and plain_text(other.description) == mine
        and None not in (other.acquired, volume.acquired)
        and other.acquired < volume.acquired - _PAUSE
        for other, found in zip(volumes, weightings)
    )
    return "later than a T1 image of the same name, which makes contrast likely" if earlier else ""
