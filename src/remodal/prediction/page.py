"""One page about a patient: slices with outlines, measurements, and what made them.

One HTML file that needs no network. It names the patient by pseudonym only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np

from remodal.geometry.orientation import Orientation
from remodal.geometry.volume import Volume
from remodal.prediction.measuring import Measurement
from remodal.report.slices import OUTLINES, Panel, box_around, draw, grey_range, slice_of_most
from remodal.results.files import write_text
from remodal.templates import templates_in

_TEMPLATE = "page.html.j2"
_LEAST_SIDE = 220.0  # mm, of what is shown of a slice
_MOST_SLICES = 5


@dataclass(frozen=True)
class Findings:
    """What a page shows.

    Attributes:
        case: pseudonym.
        classes: names of the classes, the first of which is 1 in the segmentation.
        segmentation: class indices.
        images: the patient's images, on the grid of the segmentation.
        missing: images that the models know and the patient lacks.
        uncertainty: on that grid; None if it was not asked for.
        measurements: one per structure.
        facts: what made the segmentation: a word and its text.
        warnings: what a reader must know.
    """

    case: str
    classes: Sequence[str]
    segmentation: Volume
    images: Mapping[str, Volume]
    missing: Sequence[str]
    uncertainty: Volume | None
    measurements: Sequence[Measurement]
    facts: Mapping[str, str]
    warnings: Sequence[str]


def write_page(path: Path, findings: Findings) -> None:
    """Write the page.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    template = templates_in(Path(__file__).parent).get_template(_TEMPLATE)
    page = template.render(
        found=findings,
        rows=list(_rows(findings)),
        legend=dict(zip(findings.classes, cycle(OUTLINES.values()))),
    )
    write_text(path, page)


def _rows(findings: Findings) -> Iterator[tuple[str, list[Panel]]]:
    """Axial slices of each image, and of the uncertainty: a heading, and its panels."""
    orientation = Orientation.of(findings.segmentation.geometry)
    spacing = orientation.spacing(findings.segmentation.geometry)[1:]
    classes = orientation.apply(findings.segmentation.array)
    places = _places(classes, len(findings.classes))
    boxes = [box_around(classes[place] > 0, spacing, _LEAST_SIDE) for place in places]
    for name, volume in findings.images.items():
        array = orientation.apply(volume.array)
        grey = grey_range(array)
        panels = []
        for place, box in zip(places, boxes):
            outlines = [classes[place][box] == n for n in range(1, len(findings.classes) + 1)]
            picture = draw(array[place][box], spacing, grey, outlines=outlines)
            panels.append(_panel(picture, f"{name} image", place, len(array)))
        yield name, panels
    if findings.uncertainty:
        heat = orientation.apply(findings.uncertainty.array)
        panels = [
            _panel(draw(one, spacing, (0, 1), heat=one), "uncertainty", place, len(heat))
            for place, box in zip(places, boxes)
            for one in [heat[place][box]]
        ]
        yield "uncertainty (black 0, yellow 1)", panels


def _panel(picture: str, what: str, place: int, count: int) -> Panel:
    said = f"slice {place + 1} of {count} from the feet"
    return Panel(picture, said, f"{said} of the {what}, with outlines")


def _places(classes: np.ndarray, count: int) -> list[int]:
    """Axial slices to show: that of the most voxels of each class, or the middle one.

    With room for more, also slices a quarter and three quarters through all that was found.
    """
    found = np.flatnonzero((classes > 0).any(axis=(1, 2)))
    if not len(found):
        return [len(classes) // 2]
    most = [slice_of_most(classes == n) for n in range(1, count + 1) if (classes == n).any()]
    between = found[[len(found) // 4, (3 * len(found)) // 4]].tolist()
    return sorted(list(dict.fromkeys([*most, *between]))[:_MOST_SLICES])
