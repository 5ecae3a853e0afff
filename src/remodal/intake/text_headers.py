"""The text headers of MetaImage and NRRD: what they say, and which files hold the voxels.

MetaImage: https://itk.org/Wiki/MetaIO/Documentation. NRRD: https://teem.sourceforge.net/nrrd/. The
voxels themselves are left to SimpleITK, which allocates as much memory as a header asks for and
opens files wherever it points; so both are checked here first.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from remodal.errors import BadCase

METAIMAGE, NRRD = (".mha", ".mhd"), (".nrrd", ".nhdr")
TEXT_SUFFIXES = (*METAIMAGE, *NRRD)
_LONGEST = 1 << 22  # bytes of a header
#: Characters of a field of NRRD: ITK's reader crashes at some thousand (keys may be longer).
_LONGEST_FIELD = 500
_YES_OR_NO = ("binarydata", "compresseddata", "binarydatabyteordermsb", "elementbyteordermsb")
_YES_OR_NO_WORDS = {"true": "true", "t": "true", "1": "true"} | {
    "false": "false",
    "f": "false",
    "0": "false",
}
_LONGEST_NAME = 255  # bytes of a file's name
_MOST_FILES = 100_000


@dataclass(frozen=True)
class TextHeader:
    """A header: `fields` by lower-case name, `values_at` the first byte after it.

    `keys` are NRRD's own key/value pairs. `data_files` are the files that hold the voxels if the
    header's file does not.
    """

    fields: dict[str, str]
    values_at: int
    keys: dict[str, str] = field(default_factory=dict)
    data_files: list[Path] = field(default_factory=list)


def read_text_header(path: Path) -> TextHeader:
    """Read the header of a MetaImage or NRRD file.

    Raises:
        BadCase: not such a header, or one that names files outside its folder.
    """
    with open(path, "rb") as file:
        raw = file.read(_LONGEST)
    try:
        header = _metaimage(path, raw) if path.suffix.lower() in METAIMAGE else _nrrd(path, raw)
    except (KeyError, ValueError) as error:
        raise BadCase(
            "cannot be read as an image: its header is damaged", where=path.name
        ) from error
    return header


def _metaimage(path: Path, raw: bytes) -> TextHeader:
    """`Name = value` lines; the last is ElementDataFile. What is said or not becomes true or false.

    Raises:
        ValueError, KeyError: a field is damaged.
        BadCase: one is there twice, or names a file outside the folder.
    """
    fields: dict[str, str] = {}
    at = 0
    while "elementdatafile" not in fields:
        line, at = _line(raw, at)
        name, value = re.split("[=:]", line, maxsplit=1)
        name = name.strip().lower()
        # What is there twice, or neither true nor false, readers understand differently.
        if name in fields and name != "comment":
            raise _twice(path, name)
        fields[name] = value.strip()
        if name in _YES_OR_NO:
            fields[name] = _YES_OR_NO_WORDS[fields[name].lower()]
    where = fields["elementdatafile"]
    files = [] if where.upper() == "LOCAL" else _data_files(path, where, raw[at:])
    return TextHeader(fields, at, data_files=files)


def _nrrd(path: Path, raw: bytes) -> TextHeader:
    """A magic line, then `field: value` and `key:=value` lines up to a blank one.

    Of a key that is there twice the last value counts, as the format says.

    Raises:
        ValueError: a field is damaged.
        BadCase: one is there twice, or names a file outside the folder.
    """
    if not raw.startswith(b"NRRD000"):
        raise ValueError("no magic")
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    files: list[Path] = []
    _, at = _line(raw, 0)
    while at < len(raw):
        line, at = _line(raw, at)
        if not line:
            break
        if line.startswith("#"):
            continue
        name, separator, value = re.fullmatch(r"([^:]*)(:=|: ?|$)(.*)", line).groups()
        if separator == ":=":
            keys[name] = value
            continue
        if len(line) > _LONGEST_FIELD:
            raise ValueError("a field is too long")
        name = re.sub(r"\s", "", name).lower()
        if name in fields:
            raise _twice(path, name)
        fields[name] = value.strip()
        if name == "datafile":
            files = _data_files(path, value.strip(), raw[at:])
            if value.split()[:1] == ["LIST"]:
                break
    return TextHeader(fields, at, keys, files)


def _twice(path: Path, name: str) -> BadCase:
    """The refusal of a field that is there twice, of which readers take the first, last or none."""
    return BadCase(
        f"its header says `{name}` twice", where=path.name, expected="each field only once"
    )


def _line(raw: bytes, at: int) -> tuple[str, int]:
    """A line without its end, and where the next one begins."""
    if at >= len(raw):
        raise ValueError("the header has no end")
    end = raw.find(b"\n", at)
    end = len(raw) if end < 0 else end
    return raw[at:end].decode(errors="surrogateescape").rstrip("\r"), end + 1


def _data_files(header: Path, where: str, rest: bytes) -> list[Path]:
    """Files with the voxels: one, numbered ones, or a LIST of names, which ends the header.

    Raises:
        BadCase: a file outside the header's folder.
    """
    if where.split()[:1] == ["LIST"]:
        lines = rest.decode(errors="surrogateescape").split("\n")
        names = [line.strip() for line in lines if line.strip()]
    else:
        names = _numbered(where)
    if any(len(os.fsencode(name)) > _LONGEST_NAME for name in names):
        raise ValueError("no file has so long a name")
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            raise BadCase(
                "its header names a file outside its folder",
                where=header.name,
                expected="voxels in the file itself or beside it",
            )
    return [header.parent / name for name in names]


def _numbered(text: str) -> list[str]:
    """File names given by `name%03d.raw first last step`; any other text is itself the name."""
    found = re.fullmatch(r"(.*%0?\d*d\S*)\s+(-?\d+)\s+(-?\d+)(?:\s+(-?\d+))?(?:\s+\d+)?", text)
    if not found:
        return [text]
    first, last, step = int(found[2]), int(found[3]), int(found[4] or 1)
    if step == 0 or abs(last - first) > _MOST_FILES or found[1].count("%") != 1:
        raise ValueError(text)
    return [found[1] % number for number in range(first, last + (1 if step > 0 else -1), step)]
