"""What a file consists of for a search: text, what is packed in it, and what cannot be read."""

import codecs
import html
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote


class Text(NamedTuple):
    """A piece of text, and where in its file it stands.

    `first_line` is the number of the line that it begins on; 0: it does not stand in lines.
    """

    place: str
    text: str
    first_line: int = 0


class Unread(NamedTuple):
    """A place of a file that could not be searched, and why; neither tells what stands there."""

    place: str
    why: str


class Packed(NamedTuple):
    """A file in a file; `place` comes before the places in it."""

    place: str
    content: BinaryIO


Parts = Iterator[Text | Unread | Packed]

_JSON = re.compile(r"\\u([0-9a-fA-F]{4})")
#: `\"u`, `{\"u}` and `\"{u}`: a letter with an accent in LaTeX, told without it.
_LATEX = re.compile(r"\{?\\[\"'`^~=.]\{?([A-Za-z])\}{0,2}")


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("as-latin-1", _as_latin_1)


def decoded(content: bytes) -> str:
    """Bytes as UTF-8; those that are none, one by one, as Latin-1."""
    return content.decode(errors="as-latin-1")


def texts(place: str, text: str, first_line: int = 0) -> Iterator[Text]:
    """The text as it is and, if it holds any, with the escapes of JSON, HTML, URLs and LaTeX read.

    The escapes of a letter are read only: what they leave does not have to make sense as JSON.
    """
    yield Text(place, text, first_line)
    if any(sign in text for sign in "\\&%"):
        read = html.unescape(_JSON.sub(lambda found: chr(int(found[1], 16)), text))
        read = _LATEX.sub(r"\1", unquote(read))
        if read != text:
            # An escape may stand for the end of a line.
            same_lines = read.count("\n") == text.count("\n")
            yield Text(place, read, first_line if same_lines else 0)
