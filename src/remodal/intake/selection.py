"""Find the one series of a folder: other images are left out; several series are an error."""

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from remodal.counting import counted
from remodal.errors import BadCase
from remodal.intake.same_series import told_apart
from remodal.intake.series_parts import one_image
from remodal.intake.slices import Slice, read_slices
from remodal.intake.source_files import path_and_number

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SCOUT = {"LOCALIZER", "SCOUT", "TOPOGRAM"}
_MOST_NAMED = 20


def one_series(slices: list[Slice], source: Path) -> tuple[list[Slice], list[str]]:
    """Select the slices of the one series that is meant from those of a folder.

    Localizers, pictures (screenshots, dose reports) and series without a place are left out if
    other slices remain.

    Args:
        slices: as `read_slices` finds them.
        source: the folder, perhaps with a SeriesNumber (`#4`) or the number of one of several
            images of the series (`#.2`, `#4.2`), or the file.

    Returns:
        The series' slices, and notes on what was left out.

    Raises:
        BadCase: several series or images, with what tells them apart; none with that number; a
            file that is one slice of a series.
    """
    _, number = path_and_number(source)
    if number is not None:
        slices = _numbered(slices, number)
    notes = []
    for what, is_left_out in (("localizers", _is_scout), ("pictures", _is_picture)):
        slices, note = _without(slices, what, is_left_out)
        notes += note
    series = _series_of(slices)
    placed = [one for one in series if any(image.position for image in one)]
    if placed and len(placed) < len(series):
        left_out = len(slices) - sum(len(one) for one in placed)
        notes.append(f"left out: images without a place ({left_out})")
        series = placed
    if len(series) > 1:
        raise _several(series, number)
    if len(series[0]) == 1 and source.is_file():
        _look_beside(source, series[0][0])
    image, told = one_image(series[0], source)
    return image, [*notes, *told]


def _without(
    slices: list[Slice], what: str, is_left_out: Callable[[Slice], bool]
) -> tuple[list[Slice], list[str]]:
    kept = [one for one in slices if not is_left_out(one)]
    if not kept or len(kept) == len(slices):
        return slices, []
    return kept, [f"left out: {what} ({len(slices) - len(kept)})"]


def _is_scout(one: Slice) -> bool:
    return bool(_SCOUT & {word.upper() for word in one.image_type})


def _is_picture(one: Slice) -> bool:
    captured = one.storage.startswith(_SECONDARY_CAPTURE) or "SCREEN SAVE" in one.image_type
    return one.position is None and (captured or one.samples != 1)


def _series_of(slices: list[Slice]) -> list[list[Slice]]:
    by_uid = defaultdict(list)
    for one in slices:
        by_uid[one.series].append(one)
    unnamed = by_uid.pop("", [])
    return [*by_uid.values(), *told_apart(unnamed)]


def _numbered(slices: list[Slice], number: int) -> list[Slice]:
    meant = [one for one in slices if _number(one) == str(number)]
    if not meant:
        series = _series_of(slices)
        _show(series)
        raise BadCase(
            f"no series has the number {number}, but {_named(series)}",
            expected="the SeriesNumber of a series behind `#` in the path",
            remedy="correct the path in the sheet",
        )
    return meant


def _several(series: list[list[Slice]], number: int | None) -> BadCase:
    _show(series)
    numbers = {_number(one[0]) for one in series}
    pick = ""
    if number is None and len(numbers) == len(series):
        pick = f"add the number of one to its path in the sheet (`#{min(numbers)}`), or "
    return BadCase(
        f"{len(series)} series in one folder: {_named(series)}",
        expected="one series",
        remedy=f"{pick}put each series into a folder of its own",
    )


def _number(one: Slice) -> str:
    return one.traits.get("SeriesNumber", "")


def _named(series: list[list[Slice]]) -> str:
    """Describe each series by what a record may hold: its number, slices and thickness."""
    return ", ".join(_name(one) for one in series[:_MOST_NAMED])


def _name(series: list[Slice]) -> str:
    number = _number(series[0])
    thickness = series[0].tags.get("SliceThickness")
    is_number = isinstance(thickness, float) and thickness > 0
    size = counted(len(series), "slice") + (f" of {thickness:g} mm" if is_number else "")
    return f"{'number ' + number if number else 'without a number'} ({size})"


def _show(series: list[list[Slice]]) -> None:
    """Show the descriptions at a terminal only: no record or log may hold such free text."""
    if not sys.stderr.isatty():
        return
    for one in series[:_MOST_NAMED]:
        described = one[0].traits.get("SeriesDescription", "no description")
        print(f"  {_name(one)}: {described}", file=sys.stderr)


def _look_beside(file: Path, one: Slice) -> None:
    """Check that a file is not just one slice of a series.

    Raises:
        BadCase: it is.
    """
    beside = 0
    for other in sorted(file.parent.iterdir()):
        if other == file or not other.is_file():
            continue
        try:
            found, _ = read_slices([other])
        except BadCase:
            continue
        beside += any(each.series == one.series for each in found)
    if beside:
        raise BadCase(
            f"the file is one slice; {beside} more of its series lie beside it",
            expected="all slices of the series",
            remedy="name the folder instead of the file",
        )
