"""The page of one case: written once, opens from a disk without a network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remodal.geometry.volume import Geometry
from remodal.intake.nifti import read_geometry, read_volume
from remodal.process.progress import progress
from remodal.report.slices import grey_range
from remodal.results.files import atomic_path
from remodal.templates import templates_in
from remodal.viewer.bundle import VERSION
from remodal.viewer.cut import Cut, cut_of
from remodal.viewer.embedded import Embedded, centre_of, cut_note, embed, packed, read_segmentation
from remodal.viewer.shown import Shown

_TEMPLATE = "page.html.j2"
#: Around the segmentations, of a page that is cropped to them.
_MARGIN_MM = 30.0


@dataclass(frozen=True)
class Page:
    """What was written: its size in bytes, how many volumes it holds, and what it leaves out."""

    size: int
    images: int
    segmentations: int
    note: str


def write_page(
    shown: Shown, output: Path, script: str, *, crop: bool = False, spacing: float = 0
) -> Page:
    """Write the page of a case.

    Args:
        shown: what there is of the case.
        output: the HTML file.
        script: NiiVue.
        crop: keep only the part around truth and predictions, and a margin of 30 mm.
        spacing: voxels need not be closer than this, in mm; 0: all are kept.

    Raises:
        UserError: a volume is too large for a page, or lies elsewhere than the images.
    """
    grid = read_geometry(next(iter(shown.images.values())))
    masks = (read_segmentation(shown, one, grid).array for one in shown.segmentations)
    cut = cut_of(grid, masks if crop else None, _MARGIN_MM, spacing)
    content = {
        "shown": shown,
        "contents": _contents(shown, grid),
        "volumes": _volumes(shown, cut, grid),
        "note": cut_note(cut, grid),
        "version": VERSION,
        # An HTML parser ends a script there, whatever the language says.
        "script": script.replace("</script", "<\\/script"),
    }
    template = templates_in(Path(__file__).parent).get_template(_TEMPLATE)
    with atomic_path(output) as temporary:
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(template.generate(content))
        size = temporary.stat().st_size
    return Page(size, len(shown.images), len(shown.segmentations), content["note"])


def _volumes(shown: Shown, cut: Cut, grid: Geometry) -> Iterator[Embedded]:
    """The images, then the segmentations, one at a time: together they may be large.

    Files that are wanted whole are taken as they are.
    """
    whole = cut.is_whole(grid)
    for number, path in enumerate(shown.images.values()):
        volume = read_volume(path)
        content = path.read_bytes() if whole else packed(cut.of(volume))
        yield embed(_name(number), content, grey_range(volume.array))
    drawn = progress(shown.segmentations, "Embedding", total=len(shown.segmentations))
    for number, one in enumerate(drawn, len(shown.images)):
        volume = read_segmentation(shown, one, grid)
        as_it_is = whole and not one.truth
        content = one.file.read_bytes() if as_it_is else packed(cut.of(volume))
        yield embed(_name(number), content)


def _name(number: int) -> str:
    return f"volume-{number}"


def _contents(shown: Shown, grid: Geometry) -> dict[str, Any]:
    """What the page's own script must know: plain values, for JSON."""
    names = map(_name, range(len(shown.images), len(shown.images) + len(shown.segmentations)))
    return {
        "images": [{"title": title, "volume": _name(n)} for n, title in enumerate(shown.images)],
        "groups": [
            {
                "title": group.title,
                "segmentations": [
                    {
                        "title": one.title,
                        "note": one.note,
                        "colour": one.colour,
                        "truth": one.truth,
                        "volume": next(names),
                    }
                    for one in group.segmentations
                ],
            }
            for group in shown.groups
        ],
        "classes": [
            {"title": name.replace("_", " "), "colour": colour}
            for name, colour in shown.classes.items()
        ],
        "centre": centre_of(
            [read_segmentation(shown, one, grid) for one in shown.segmentations if one.truth]
        ),
    }
