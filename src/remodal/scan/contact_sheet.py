"""The contact sheet: one row per case with a slice of each image, and what was left out and why.

One HTML file that needs no network. It shows pseudonyms, series numbers and descriptions (escaped)
and slices, but no path, date or UID.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from remodal.results.files import write_text
from remodal.scan.cases import ScannedCase
from remodal.scan.grouping import Volume
from remodal.scan.ranking import RULE
from remodal.templates import templates_in

_TEMPLATE = "contact_sheet.html.j2"
_LONGEST = 120


def write_contact_sheet(
    output: Path,
    cases: Sequence[ScannedCase],
    names: Sequence[str],
    pictures: Mapping[tuple[str, str], str],
    counted: Sequence[str],
) -> None:
    """Write the page.

    Args:
        output: the HTML file.
        cases: all examinations.
        names: the images that are looked for, a column each.
        pictures: data URI by case and image; empty where the slice cannot be read.
        counted: lines on what was found.
    """
    rows = [_row(case, names, pictures) for case in cases]
    template = templates_in(Path(__file__).parent).get_template(_TEMPLATE)
    write_text(output, template.render(rows=rows, names=names, counted=counted, rule=RULE))


def _row(
    case: ScannedCase, names: Sequence[str], pictures: Mapping[tuple[str, str], str]
) -> dict[str, object]:
    images = []
    for name in names:
        choice = case.taken.get(name)
        images.append(
            choice
            and {
                "name": name,
                "picture": pictures.get((case.case, name), ""),
                "sureness": choice.verdict.sureness,
                "reasons": choice.verdict.reasons,
                "notes": [*choice.volume.notes, *_label_note(choice.label)],
                **_described(choice.volume),
            }
        )
    left_out = [
        {"why": one.said, **_described(one.volume)} for one in case.choices if not one.taken
    ]
    return {
        "case": case.case,
        "patient": case.patient,
        "images": images,
        "left_out": left_out,
        "notes": case.notes,
    }


def _label_note(label: str) -> list[str]:
    return ["with the label that was drawn on it"] if label else []


def _described(volume: Volume) -> dict[str, str]:
    spacing = volume.geometry.spacing if volume.geometry else ()
    description = "".join(one if one.isprintable() else " " for one in volume.description)
    burned_in = volume.get("BurnedInAnnotation").upper() == "YES"
    return {
        "series": volume.get("SeriesNumber")[:12],
        "slices": str(len(volume.instances)),
        "spacing": " × ".join(f"{one:.3g}" for one in spacing),
        "description": description[:_LONGEST],
        "warning": "annotations are burned into its pixels" if burned_in else "",
    }
