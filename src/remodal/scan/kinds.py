"""What kind of thing a volume is: a scan, a reformat of one, or something to leave out."""

import re
from dataclasses import dataclass
from typing import Literal

from remodal.scan.grouping import Volume
from remodal.scan.words import DERIVED, LOCALIZERS, REFORMATS, SHARP, found_in, plain_text

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LEAST_SLICES = 8

#: Words of ImageType, and what an image of that type is.
_OF_TYPE = {
    "LOCALIZER": "a localizer",
    "SCOUT": "a localizer",
    "TOPOGRAM": "a localizer",
    "MIP": "a maximum or minimum intensity projection",
    "MNIP": "a maximum or minimum intensity projection",
    "MIN IP": "a maximum or minimum intensity projection",
    "MAX_IP": "a maximum or minimum intensity projection",
    "MIN_IP": "a maximum or minimum intensity projection",
    "PROJECTION IMAGE": "a maximum or minimum intensity projection",
    "SUBTRACTION": "a subtraction",
    "SUBTRACT": "a subtraction",
    "SUB": "a subtraction",
    "ADC": "a diffusion map",
    "EADC": "a diffusion map",
    "FA": "a diffusion map",
    "PERFUSION": "a map",
    "CURVED": "a rendering",
    "VRT": "a rendering",
    "VOLREN": "a rendering",
    "SCREEN SAVE": "a screenshot",
    "MOSAIC": "a mosaic of slices (Siemens)",
    "PHASE MAP": "a map",
    "P": "a phase image",
}
_REFORMATTED = {"MPR", "REFORMATTED", "MPR_THICK", "PARALLEL"}

Usable = Literal["scan", "reformat", ""]


@dataclass(frozen=True)
class Judged:
    """A volume and what it is.

    `usable` is "scan", "reformat" (computed planes of a scan, taken if there is no scan), or empty;
    `said` is then why it is left out. `sharp`: it was reconstructed for bone or lung.
    """

    volume: Volume
    usable: Usable
    said: str
    sharp: bool = False


def judge(volume: Volume) -> Judged:
    """Tell a CT or MR scan from localizers, computed images, pictures and fragments."""
    said = _no_scan(volume) or _no_volume(volume)
    if said:
        return Judged(volume, "", said)
    types = _types(volume)
    described = plain_text(volume.description)
    computed = "DERIVED" in types and found_in(described, REFORMATS)
    usable = "reformat" if computed or _REFORMATTED & types else "scan"
    said = "planes that were computed from another series" if usable == "reformat" else "a scan"
    return Judged(volume, usable, said, _is_sharp(volume, described))


def _types(volume: Volume) -> set[str]:
    return set(volume.get("ImageType").upper().split("\\"))


def _no_scan(volume: Volume) -> str:
    modality = volume.get("Modality")
    if volume.get("SOPClassUID").startswith(_SECONDARY_CAPTURE):
        return "a secondary capture"
    if modality not in ("CT", "MR"):
        return f"no CT or MR image ({_code(modality)})" if modality else "of no known modality"
    types = _types(volume)
    for word, said in _OF_TYPE.items():
        if word in types:
            return said
    if volume.get("SamplesPerPixel") not in ("", "1"):
        return "in colour"
    described = plain_text(volume.description)
    if found_in(described, LOCALIZERS) and len(volume.instances) <= 3 * _LEAST_SLICES:
        return "a localizer"
    return next((said for said, words in DERIVED.items() if found_in(described, words)), "")


def _no_volume(volume: Volume) -> str:
    count = len(volume.instances)
    if not volume.whole_files:
        return "one of several volumes in one file"
    if volume.problem:
        return volume.problem
    if count < _LEAST_SLICES:
        return f"{count} slices, fewer than {_LEAST_SLICES}"
    return ""


def _code(modality: str) -> str:
    """A modality's code, if it is one."""
    return modality if re.fullmatch(r"[A-Z0-9]{2,16}", modality) else "an unknown code"


def _is_sharp(volume: Volume, described: str) -> bool:
    """Whether a CT was reconstructed for bone or lung, by its kernel or its description."""
    if volume.get("Modality") != "CT":
        return False
    kernel = volume.get("ConvolutionKernel").split("\\")[0].upper()
    # Siemens B70f, Br64d, I50f; Canon FC52; others name what the kernel is for.
    siemens = re.fullmatch(r"[BHIUJTQ][A-Z]?(\d\d)\w*", kernel)
    canon = re.fullmatch(r"FC(\d\d)\w*", kernel)
    if siemens or canon:
        return int((siemens or canon)[1]) >= (50 if siemens else 30)
    named = found_in(plain_text(kernel), (*SHARP, "chest", "ultra", "yc", "yd", "l", "e"))
    return bool(named or found_in(described, SHARP))
