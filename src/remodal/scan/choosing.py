"""Which volume of an examination is which image that is looked for; what is left out, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from remodal.scan.enhancement import Enhancement
from remodal.scan.evidence import PATTERN, Evidence, Verdict, weigh
from remodal.scan.grouping import Examination, Volume
from remodal.scan.kinds import Judged
from remodal.scan.labels import drawn_on
from remodal.scan.modalities import SEQUENCE_NAMES, Wanted
from remodal.scan.phases import evidence_of_phases
from remodal.scan.ranking import rank, why_not
from remodal.scan.sequences import evidence_of_sequences, is_t1
from remodal.scan.words import PHASES


@dataclass(frozen=True)
class Choice:
    """What became of a volume.

    Attributes:
        judged: the volume, and what kind of thing it is.
        verdict: which image it is, how surely, and why.
        taken: whether it is the one that the sheet names.
        said: why it is not taken; empty if it is.
        label: path of the label that was drawn on it; empty if there is none, or several.
    """

    judged: Judged
    verdict: Verdict
    taken: bool
    said: str
    label: str = ""

    @property
    def volume(self) -> Volume:
        """The volume itself."""
        return self.judged.volume


def choose(
    examination: Examination,
    judged: Sequence[Judged],
    wanted: Sequence[Wanted],
    phases_in: str,
    measured: Mapping[int, Enhancement],
) -> list[Choice]:
    """Choose the volume of each image that is looked for.

    Args:
        examination: the examination.
        judged: its volumes.
        wanted: the images that are looked for.
        phases_in: DICOM modality of the series that phases are looked for in.
        measured: enhancement of some volumes, by their place in `judged`.

    Returns:
        What became of each volume, in the order of `judged`.
    """
    names = {one.name for one in wanted}
    verdicts = verdicts_of(judged, wanted, phases_in, measured)
    labels = [drawn_on(one.volume, examination.labels) if one.usable else [] for one in judged]
    choices: list[Choice | None] = [None] * len(judged)
    best: dict[str, int] = {}
    for index, verdict in enumerate(verdicts):
        if verdict.name in names:
            rivals = [index, *([best[verdict.name]] if verdict.name in best else [])]
            best[verdict.name] = min(
                rivals, key=lambda one: rank(judged[one], verdicts[one].sureness, bool(labels[one]))
            )
    for index, (one, verdict) in enumerate(zip(judged, verdicts)):
        said, chosen = "", best.get(verdict.name)
        if not one.usable:
            said = one.said
        elif not verdict.name:
            said = "nothing tells which image it is"
        elif verdict.name not in names:
            said = f"a {verdict.name} image, which is not looked for"
        elif index != chosen:
            labelled = bool(labels[chosen]) > bool(labels[index])
            guessed = verdict.sureness == "low" != verdicts[chosen].sureness
            why = why_not(one, judged[chosen], labelled, guessed)
            said = f"{verdict.name} too: {why}"
        label = labels[index][0] if len(labels[index]) == 1 else ""
        choices[index] = Choice(one, verdict, not said, said, label)
    return choices


def unsure_of_phase(
    judged: Sequence[Judged], wanted: Sequence[Wanted], phases_in: str
) -> list[int]:
    """Places of the CT volumes whose tags leave their phase open: those worth measuring."""
    if phases_in != "CT" or not PHASES.keys() & {one.name for one in wanted}:
        return []
    verdicts = verdicts_of(judged, wanted, phases_in, {})
    return [
        index
        for index, (one, verdict) in enumerate(zip(judged, verdicts))
        if one.usable and one.volume.get("Modality") == "CT" and verdict.sureness != "high"
    ]


def verdicts_of(
    judged: Sequence[Judged],
    wanted: Sequence[Wanted],
    phases_in: str,
    measured: Mapping[int, Enhancement],
) -> list[Verdict]:
    """Which image each volume is; the arguments are those of `choose`."""
    evidence: list[list[Evidence]] = [[] for _ in judged]
    usable = [index for index, one in enumerate(judged) if one.usable]
    names = {one.name for one in wanted}
    if names & PHASES.keys():
        of_phases = [one for one in usable if _may_show_phase(judged[one].volume, phases_in)]
        volumes = [judged[one].volume for one in of_phases]
        places = {place: measured[one] for place, one in enumerate(of_phases) if one in measured}
        for one, told in zip(of_phases, evidence_of_phases(volumes, places)):
            evidence[one] += told
    if names & set(SEQUENCE_NAMES):
        for one, told in zip(usable, evidence_of_sequences([judged[one].volume for one in usable])):
            evidence[one] += told
    for one in usable:
        evidence[one] += _of_patterns(judged[one].volume, wanted)
    # Where the user gave a pattern, nothing else makes a volume that image.
    own = {one.name for one in wanted if one.pattern is not None}
    return [
        Verdict("", "low", ())
        if (verdict := weigh(told)).name in own and not _is_by_pattern(told, verdict.name)
        else verdict
        for told in evidence
    ]


def _may_show_phase(volume: Volume, phases_in: str) -> bool:
    """Whether a volume is a CT or, where phases are looked for in MR, a T1 image."""
    return volume.get("Modality") == phases_in and (phases_in == "CT" or is_t1(volume))


def _is_by_pattern(evidence: Sequence[Evidence], name: str) -> bool:
    return any(one.name == name and one.weight == PATTERN for one in evidence)


def _of_patterns(volume: Volume, wanted: Sequence[Wanted]) -> list[Evidence]:
    description = volume.description
    return [
        Evidence(one.name, PATTERN, "its description fits your pattern")
        for one in wanted
        if one.pattern is not None and one.pattern.search(description)
    ]
