"""What the records say of the data: spacing, size and intensities of images, volumes of labels."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import isfinite, nan, prod
from typing import NamedTuple

import numpy as np

from remodal.report.wording import DASH, MINUS
from remodal.results.records import Record
from remodal.settings import Settings

#: An axis is that of the slices if its voxels are this much longer than any other's.
_LONGER = 1.05


@dataclass(frozen=True)
class ImageNumbers:
    """An image as it was scanned.

    Attributes:
        case: its case.
        image: its modality.
        apart: distance of the slices in mm; they lie along the axis of the longest voxels or, where
            there is none, along the file's last.
        pixel: side of a pixel in a slice in mm, the mean of both.
        slices: their number.
        covered: their number times their distance, in mm.
        lower: 0.5th percentile of the intensities; NaN if the record has none.
        upper: 99.5th percentile.
        scanner: what made it; empty if the file does not say.
    """

    case: str
    image: str
    apart: float
    pixel: float
    slices: int
    covered: float
    lower: float
    upper: float
    scanner: str


@dataclass(frozen=True)
class LabelNumbers:
    """What a label holds of one region: its volume in ml."""

    case: str
    image: str
    region: str
    volume: float


def image_numbers(records: Iterable[Record], cases: Collection[str]) -> list[ImageNumbers]:
    """The images of cases, from the records of their conversion.

    Args:
        records: of all stages.
        cases: those in use.
    """
    found = []
    for record in records:
        told = record.details
        if record.stage == "convert" and record.ok and record.case in cases and "spacing" in told:
            lengths, counts = told["spacing"], told["shape"][::-1]
            along = _slice_axis(lengths)
            across = [length for axis, length in enumerate(lengths) if axis != along]
            lower, upper = told.get("range") or (nan, nan)
            tags = told.get("tags", {})
            made = (str(tags.get(f"Manufacturer{name}", "")) for name in ("", "ModelName"))
            found.append(
                ImageNumbers(
                    record.case,
                    record.modality or "",
                    lengths[along],
                    sum(across) / 2,
                    counts[along],
                    lengths[along] * counts[along],
                    lower,
                    upper,
                    " ".join(filter(None, made)),
                )
            )
    return found


def _slice_axis(lengths: list[float]) -> int:
    longest = int(np.argmax(lengths))
    others = [length for axis, length in enumerate(lengths) if axis != longest]
    return longest if lengths[longest] > _LONGER * max(others) else 2


def label_numbers(
    settings: Settings, records: Iterable[Record], cases: Collection[str]
) -> list[LabelNumbers]:
    """The volume of each region in each label, as it was drawn.

    Args:
        settings: the study.
        records: of all stages.
        cases: those in use.
    """
    found = []
    for record in records:
        told = record.details
        if record.stage == "convert-label" and record.ok and record.case in cases:
            millilitres = prod(told["spacing"]) / 1000
            for region in settings.data.regions:
                voxels = sum(
                    told["values"].get(str(value), 0) for value in settings.data.values_of(region)
                )
                found.append(
                    LabelNumbers(record.case, record.modality or "", region, voxels * millilitres)
                )
    return found


class Spread(NamedTuple):
    """A median and its range in words; the range is empty if all values print alike."""

    middle: str
    range: str = ""


def spread(values: Iterable[float]) -> Spread:
    """Median and range of numbers, without those that are not known."""
    known = [value for value in values if isfinite(value)]
    if not known:
        return Spread(DASH)
    middle, least, most = map(in_words, (float(np.median(known)), min(known), max(known)))
    return Spread(middle, "" if least == most else f"{least} to {most}")


def in_words(value: float) -> str:
    """A number with three digits that count, or all before the point, and a real minus sign."""
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", MINUS)
