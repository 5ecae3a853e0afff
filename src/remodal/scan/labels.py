"""Which labels (SEG, RTSTRUCT) of an examination were drawn on a volume."""

from collections.abc import Sequence

from remodal.scan.grouping import Volume
from remodal.scan.index import Indexed


def drawn_on(volume: Volume, labels: Sequence[Indexed]) -> list[str]:
    """Paths of the labels that name a volume's series, each content once.

    A label that also names images was drawn on these: a series may hold several volumes.

    No label says which of several images in one file it was drawn on: these get none.

    A label that names no series, but only a frame of reference, is nobody's: arterial and venous
    images share theirs.
    """
    series = volume.get("SeriesInstanceUID")
    images = {one.file.get("SOPInstanceUID") for one in volume.instances}
    found = {
        one.get("SOPInstanceUID") or one.path: one.path
        for one in labels
        if series
        and volume.part is None
        and series in one.drawn_on
        and not (one.images and images.isdisjoint(one.images))
    }
    return list(found.values())


def unmatched(labels: Sequence[Indexed], volumes: Sequence[Volume]) -> list[str]:
    """Paths of the labels that were drawn on none of the volumes."""
    taken = {path for volume in volumes for path in drawn_on(volume, labels)}
    return [one.path for one in labels if one.path not in taken]
