"""Segmentations of 3D Slicer (.seg.nrrd): several segments, in layers where they overlap.

https://apidocs.slicer.org/main/classvtkMRMLSegmentationStorageNode.html: the key `Segment{n}_Name`
names a segment, `Segment{n}_LabelValue` is its value in the layer `Segment{n}_Layer`; older files
have one layer per segment, with values of 1. The image covers only the box that holds segments.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.structures import Wanted, as_byte, values_of
from remodal.intake.text_formats import read_layers
from remodal.intake.text_headers import NRRD, read_text_header


class _Segment(NamedTuple):
    name: str
    layer: int
    value: int


def is_slicer(path: Path) -> bool:
    """Whether a file is an NRRD file with segments."""
    if path.suffix.lower() not in NRRD or not path.is_file():
        return False
    return any(re.fullmatch(r"Segment\d+_ID", key) for key in read_text_header(path).keys)


def read_slicer(path: Path, wanted: Wanted = ()) -> tuple[Volume, list[str]]:
    """Read a segmentation; where segments overlap, the highest value wins.

    Args:
        path: the file.
        wanted: structures to take, and the values they get; empty: all, with their values in the
            file or, if segments share a value there, with their numbers in the file's order,
            from 1.

    Returns:
        The label on the file's own grid (uint8), warnings.

    Raises:
        BadCase: a damaged file, a missing structure, or values above 255.
    """
    layers, geometry, warnings = read_layers(path)
    segments = _segments(read_text_header(path).keys, len(layers))
    own = [segment.value for segment in segments.values()]
    repeated = len(set(own)) < len(own)
    if wanted:
        values = values_of({number: one.name for number, one in segments.items()}, wanted)
    elif repeated:
        values = values_of(dict.fromkeys(segments, ""), ())
        warnings = [*warnings, "segments share values: theirs are their numbers in the file"]
    else:
        values = {number: one.value for number, one in segments.items()}
    painted = np.zeros(geometry.shape, np.uint8)
    for number, value in sorted(values.items(), key=lambda pair: pair[1]):
        painted[layers[segments[number].layer] == segments[number].value] = as_byte(value)
    return Volume(painted, geometry), warnings


def segment_names(path: Path) -> dict[int, str]:
    """Names of the segments, by the values that `read_slicer` gives them.

    Raises:
        BadCase: a damaged file.
    """
    layers, _, _ = read_layers(path)
    segments = _segments(read_text_header(path).keys, len(layers))
    own = [segment.value for segment in segments.values()]
    numbers = segments if len(set(own)) < len(own) else own
    return {value: one.name for value, one in zip(numbers, segments.values()) if one.name}


def _segments(keys: dict[str, str], layers: int) -> dict[int, _Segment]:
    """The segments by their numbers from 1, in the order of the file."""
    indices = sorted(
        int(found[1]) for key in keys if (found := re.fullmatch(r"Segment(\d+)_ID", key))
    )
    segments = {}
    for number, index in enumerate(indices, 1):
        try:
            segments[number] = _Segment(
                name=keys.get(f"Segment{index}_Name", ""),
                layer=int(keys.get(f"Segment{index}_Layer", index if layers > 1 else 0)),
                value=int(keys.get(f"Segment{index}_LabelValue", 1)),
            )
        except ValueError as error:
            raise BadCase("the segmentation's header is damaged") from error
        if not 0 <= segments[number].layer < layers:
            raise BadCase(
                f"segment {number} is in layer {segments[number].layer} of {layers}",
                expected="a layer that the file has",
                remedy="export the segmentation again",
            )
    return segments
