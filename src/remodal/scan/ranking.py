"""Which of several volumes that could be the image is taken, and why."""

from remodal.scan.evidence import Sureness
from remodal.scan.kinds import Judged

RULE = (
    "Of several that could be the image: the one that a label was drawn on, a sure one before a "
    "guess, a scan before computed planes, a soft kernel before one for bone or lung, then the "
    "thinnest slices, the most slices, the lowest series number."
)


def rank(judged: Judged, sureness: Sureness, labelled: bool) -> tuple:
    """Key that sorts the best volume first; see `RULE`."""
    volume = judged.volume
    step = volume.geometry.spacing[2] if volume.geometry else 1e9
    number = volume.number("SeriesNumber")
    return (
        not labelled,
        sureness == "low",
        judged.usable != "scan",
        judged.sharp,
        round(step, 2),
        -len(volume.instances),
        number if number is not None else 1e9,
        volume.files[0],
    )


def why_not(judged: Judged, chosen: Judged, labelled: bool, guessed: bool) -> str:
    """Why another volume was chosen.

    Args:
        judged: the volume that was not.
        chosen: the one that was.
        labelled: a label was drawn on that one only.
        guessed: only this one is a guess.
    """
    mine, other = (one.volume.geometry.spacing[2] for one in (judged, chosen))
    if labelled:
        return "a label was drawn on the other"
    if guessed:
        return "a guess; the other is surer"
    if judged.usable != chosen.usable:
        return "computed planes; there is a scan"
    if judged.sharp != chosen.sharp:
        return "a kernel for bone or lung"
    if round(mine, 2) != round(other, 2):
        return f"slices of {mine:.3g} mm, those of the other are {other:.3g} mm apart"
    if len(judged.volume.instances) != len(chosen.volume.instances):
        return f"{len(judged.volume.instances)} slices, fewer than the other has"
    return "a later series like the other"
