"""Cases that are unlike the others of their data set, each with the number that tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, log
from typing import NamedTuple

import numpy as np

from remodal.report.data_numbers import ImageNumbers, LabelNumbers, in_words

#: Of fewer none is unlike the others.
FEWEST = 5
#: How far beyond the quartiles a value lies, in distances of the quartiles (Tukey's "far out"), ...
_FAR = 3.0
#: ... and how far at least from the median: by this factor, or this share of the contrast.
_FACTOR, _SHARE = 1.25, 0.25
#: Others that differ less than this are equal.
_EQUAL = 1.01


@dataclass(frozen=True)
class Outlier:
    """A case's number, and what the other cases have, in words."""

    case: str
    image: str
    what: str
    others: str


class _Quantity(NamedTuple):
    """Numbers by case, how one is said, and the scale on which they are compared."""

    values: Mapping[str, float]
    said: Callable[[float], str]
    least: float
    scale: Callable[[float], float] = float


def outliers(images: Sequence[ImageNumbers], labels: Sequence[LabelNumbers]) -> list[Outlier]:
    """Images and labels that are unlike the others of their kind, by case.

    A number is unlike the others if it lies more than three distances of the quartiles beyond one
    of them and differs clearly from the median: lengths and volumes by a quarter, intensities by a
    quarter of the contrast. Lengths and volumes are compared by their logarithms.
    """
    found = []
    for name in dict.fromkeys(one.image for one in images):
        of_image = [one for one in images if one.image == name]
        for quantity in _of_images(of_image):
            found += _unlike(name, quantity)
    for name, region in dict.fromkeys((one.image, one.region) for one in labels):
        volumes = {
            one.case: one.volume
            for one in labels
            if (one.image, one.region) == (name, region) and one.volume > 0
        }
        said = partial(_worded, f"{region.replace('_', ' ')} of {{}} ml")
        found += _unlike(name, _Quantity(volumes, said, log(_FACTOR), log))
    return sorted(found, key=lambda one: (one.case, one.image, one.what))


def _of_images(images: Sequence[ImageNumbers]) -> Iterator[_Quantity]:
    """What is compared of the images of one modality."""
    for words, numbers in (
        ("slices {} mm apart", {one.case: one.apart for one in images}),
        ("pixels of {} mm", {one.case: one.pixel for one in images}),
        ("slices cover {} mm", {one.case: one.covered for one in images}),
    ):
        yield _Quantity(numbers, partial(_worded, words), log(_FACTOR), log)
    known = [one for one in images if isfinite(one.lower) and isfinite(one.upper)]
    if known:
        contrast = float(np.median([one.upper - one.lower for one in known]))
        for words, numbers in (
            ("dark voxels at {} (0.5 %)", {one.case: one.lower for one in known}),
            ("bright voxels at {} (99.5 %)", {one.case: one.upper for one in known}),
        ):
            yield _Quantity(numbers, partial(_worded, words), _SHARE * contrast)


def _worded(words: str, value: float) -> str:
    return words.format(in_words(value))


def _unlike(image: str, quantity: _Quantity) -> Iterator[Outlier]:
    if len(quantity.values) < FEWEST:
        return
    scaled = {case: quantity.scale(value) for case, value in quantity.values.items()}
    low, middle, high = np.percentile(list(scaled.values()), (25, 50, 75))
    reach = _FAR * (high - low)
    for case, value in scaled.items():
        beyond = max(low - value, value - high)
        if beyond > reach and abs(value - middle) > quantity.least:
            others = [number for other, number in quantity.values.items() if other != case]
            said = quantity.said(quantity.values[case])
            yield Outlier(case, image, said, _of_others(others))


def _of_others(values: Sequence[float]) -> str:
    """What most of the other cases have, in words."""
    low, high = np.percentile(values, (25, 75))
    least, most = min(values), max(values)
    if least > 0 and most <= _EQUAL * least:
        return f"all {in_words(float(np.median(values)))}"
    said = [in_words(float(end)) for end in (low, high)]
    return f"half of them {said[0]} to {said[1]}" if said[0] != said[1] else f"most {said[0]}"
