"""Which bits of a stored pixel are its value (PS3.5 8.1.1).

Of the bits allocated to a pixel, only the BitsStored bits from HighBit down are its value. The
others may hold anything: overlay planes in old files, or zeros where the sign should be extended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from remodal.errors import BadCase
from remodal.intake.elements import whole_number


@dataclass(frozen=True)
class PixelFormat:
    """How a pixel is stored.

    Attributes:
        stored: number format of the allocated bits.
        bits: how many of them are the value.
        high_bit: the highest of these, counted from 0.
        padding: lowest and highest stored value that mark a pixel as outside the image; None: no
            value does.
    """

    stored: np.dtype
    bits: int
    high_bit: int
    padding: tuple[int, int] | None = None

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest value."""
        if self.stored.kind == "i":
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1


def pixel_format(elements: Mapping[str, Any]) -> PixelFormat | None:
    """The pixel format that a header gives; None if it gives none, or one that is not supported.

    Raises:
        BadCase: BitsStored and HighBit lie outside the bits allocated.
    """
    allocated = whole_number(elements, "BitsAllocated")
    signed = whole_number(elements, "PixelRepresentation")
    if allocated not in (8, 16, 32) or signed not in (0, 1):
        return None
    stored = np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    bits = whole_number(elements, "BitsStored") or allocated
    high_bit = whole_number(elements, "HighBit") or bits - 1
    if not 1 <= bits <= high_bit + 1 <= allocated:
        raise BadCase(
            f"BitsStored {bits} and HighBit {high_bit} do not fit BitsAllocated {allocated}",
            expected="HighBit = BitsStored - 1",
            remedy="export the series again",
        )
    return PixelFormat(stored, bits, high_bit, _padding(elements, stored))


def _padding(elements: Mapping[str, Any], stored: np.dtype) -> tuple[int, int] | None:
    first = whole_number(elements, "PixelPaddingValue")
    if first is None:
        return None
    last = whole_number(elements, "PixelPaddingRangeLimit")
    ends = [first, first if last is None else last]
    # The element (its VR is US or SS) may have been read as unsigned although pixels are signed.
    ends = [int(np.array(end & 0xFFFF, "u2").view(f"{stored.kind}2")) for end in ends]
    return min(ends), max(ends)


def keep_value_bits(plane: np.ndarray, form: PixelFormat) -> bool:
    """Overwrite the bits of stored pixels that are not their value: with 0, or with its sign.

    Args:
        plane: stored pixels in the number format of `form`, changed in place.
        form: how they are stored.

    Returns:
        Whether those bits held anything but a sign.
    """
    low, high = form.limits
    below = form.high_bit + 1 - form.bits
    if not below and low <= plane.min() and plane.max() <= high:
        return False
    if not below and form.padding is not None and not low <= form.padding[0] <= high:
        first, last = form.padding
        plane[(plane >= first) & (plane <= last)] = low
    above = 8 * form.stored.itemsize - 1 - form.high_bit
    # Bits above the value should be all 0 or all 1 (an extended sign), bits below it all 0.
    beyond = plane.view(f"i{form.stored.itemsize}") >> (form.high_bit + 1 if above else 0)
    told = bool(above) and not np.isin(beyond, (0, -1)).all()
    told |= bool(below) and bool((plane & ((1 << below) - 1)).any())
    np.left_shift(plane, above, out=plane)
    np.right_shift(plane, above + below, out=plane)
    return told
