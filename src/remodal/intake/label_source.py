"""What a case's label is read from: its files, and which value each file or structure gets.

Light (standard library only), since the Snakefile builds one for each case.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import UserError

_HIGHEST = 255
#: The highest value that a file may have where the source renumbers it.
_HIGHEST_OWN = 65535


@dataclass(frozen=True)
class LabelSource:
    """Files of a label, and what is taken from them.

    `values` holds, for each file, the value that its non-zero voxels get; None: they keep their
    own. `structures` holds the values and names of the RTSTRUCT, SEG or Slicer structures to take;
    empty: all of them, by their numbers. Where structures overlap, the highest value wins.
    `renumbered` holds, for each value that the files may have besides 0, the value that it gets and
    itself; empty: any value is right and is kept. `by_slice_number`: an image file's voxels are in
    the order of the image's DICOM files (columns, rows, InstanceNumber), and where its header
    places them is wrong.

    Converted to a string, it is its files, quoted for a shell.
    """

    files: tuple[Path, ...]
    values: tuple[int, ...] | None = None
    structures: tuple[tuple[int, str], ...] = ()
    renumbered: tuple[tuple[int, int], ...] = ()
    by_slice_number: bool = False

    def __str__(self) -> str:
        return shlex.join(map(str, self.files))

    @property
    def options(self) -> str:
        """The options of `remodal convert-label` that say the same, quoted for a shell."""
        words = [f"--value={value}" for value in self.values or ()]
        words += [f"--structure={value}={name}" for value, name in self.structures]
        words += [f"--renumber={value}={own}" for value, own in self.renumbered]
        words += ["--by-slice-number"] if self.by_slice_number else []
        return shlex.join(words)


def parse_label(cell: str, structures: str = "") -> LabelSource:
    """Parse a label as the sheet gives it.

    Args:
        cell: one path, or `value=path` pairs separated by semicolons.
        structures: `value=name` pairs separated by semicolons, or nothing.

    Raises:
        ValueError: with what is wrong and what was expected.
    """
    parts = [part.strip() for part in cell.split(";") if part.strip()]
    found = [re.fullmatch(r"(\d+)\s*=\s*(\S.*)", part) for part in parts]
    named = tuple(parse_structures(structures))
    if not any(found) and len(parts) == 1:
        return LabelSource((Path(parts[0]),), structures=named)
    if not all(found) or not parts:
        raise ValueError(
            f"{len(parts)} files, of which {sum(map(bool, found))} have a value; expected one "
            "path, or a value for each file: `1=liver.nii.gz; 2=tumour.nii.gz`"
        )
    if named:
        raise ValueError("structures are named and files have values; expected one of the two")
    files = tuple(Path(one[2]) for one in found)
    return LabelSource(files, tuple(_value(one[1]) for one in found))


def parse_structures(text: str) -> Iterator[tuple[int, str]]:
    """The `value=name` pairs of a text, separated by semicolons.

    Raises:
        ValueError: with what is wrong and what was expected.
    """
    for part in filter(None, map(str.strip, text.split(";"))):
        found = re.fullmatch(r"(\d+)\s*=\s*(\S.*)", part)
        if not found:
            raise ValueError("expected a value for each structure: `1=Liver; 2=GTV`")
        yield _value(found[1]), found[2]


def label_of_options(
    files: list[Path],
    values: Sequence[int] = (),
    structures: Sequence[str] = (),
    renumbered: Sequence[str] = (),
    by_slice_number: bool = False,
) -> LabelSource:
    """The label that options of `remodal convert-label` describe.

    Raises:
        UserError: values for only some of the files, a structure that is not `value=name`, or a
            new value that is not `value=value`.
    """
    if len(values) != len(files) and (values or len(files) > 1):
        raise UserError(
            f"{len(files)} files and {len(values)} values",
            where="--value",
            expected="one for each file, or none for a single file",
        )
    try:
        named = tuple(parse_structures("; ".join(structures)))
    except ValueError as error:
        raise UserError(str(error), where="--structure") from error
    return LabelSource(
        tuple(files),
        tuple(values) or None,
        named,
        tuple(map(_renumbered, renumbered)),
        by_slice_number,
    )


def _renumbered(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)=(\d+)", text)
    if not found:
        raise UserError(f"`{text}`", where="--renumber", expected="two values, as `4=3`")
    try:
        return _value(found[1]), _value(found[2], _HIGHEST_OWN)
    except ValueError as error:
        raise UserError(str(error), where="--renumber") from error


def _value(digits: str, highest: int = _HIGHEST) -> int:
    if not 1 <= int(digits) <= highest:
        raise ValueError(f"value {digits}; expected 1 to {highest}")
    return int(digits)
