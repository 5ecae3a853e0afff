"""Numbers and times of day in elements that are kept as text."""

import re
from math import isfinite


def numbers(text: str, count: int) -> tuple[float, ...] | None:
    """The numbers of an element; None unless it holds `count` finite ones."""
    try:
        found = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return None
    return found if len(found) == count and all(map(isfinite, found)) else None


def seconds(text: str) -> float | None:
    """Seconds of the day of a DICOM time, or of a date with its time; None if it is neither."""
    found = re.fullmatch(r"(?:\d{8})?(\d\d)(\d\d)(\d\d(?:\.\d*)?)(?:[+-]\d{4})?", text.strip())
    if not found:
        return None
    hours, minutes, rest = map(float, found.groups())
    return 3600 * hours + 60 * minutes + rest
