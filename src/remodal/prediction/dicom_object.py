"""What a SEG and an RTSTRUCT say alike: what made them, and who they are."""

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.uid import generate_uid

from remodal.prediction.original import OriginalSeries

if TYPE_CHECKING:
    from remodal.prediction.writing import Origin

DESCRIPTION = "Segmentation, research only"
LABEL = "SEGMENTATION"
MANUFACTURER = "remodal"
MODEL_NAME = "remodal predict"


class Uids(NamedTuple):
    """UIDs of a new series, and of the one object in it."""

    series: str
    instance: str


def new_uids(pixels: np.ndarray, origin: "Origin", series: OriginalSeries, *kind: str) -> Uids:
    """UIDs that are equal for equal segmentations of one series by the same models.

    Args:
        pixels: class indices on the slices of the series.
        origin: what made them.
        series: the slices that they are of.
        kind: of the object, so that those of several kinds differ.
    """
    content = hashlib.sha256(pixels).hexdigest()
    made_of = [series.headers[0].SeriesInstanceUID, origin.weights, content, *kind]
    return Uids(*(generate_uid(entropy_srcs=[level, *made_of]) for level in Uids._fields))


def serial_number(origin: "Origin") -> str:
    """In place of a device's: the models' weights."""
    return origin.weights[:16]
