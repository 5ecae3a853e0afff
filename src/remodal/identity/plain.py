"""Text that stands as it is in a file of any kind and any size."""

import codecs
import re
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from typing import BinaryIO

from remodal.identity.parts import Packed, Parts, Text, decoded, texts

#: A file is searched piece by piece (bytes). Pieces overlap by at least half of `_OVERLAP`, which
#: is more than a value takes: it has at most 1024 characters (DICOM's VR ST), and an escape writes
#: a character in at most twelve bytes.
_PIECE, _OVERLAP = 1 << 22, 1 << 16
#: What is embedded stays whole up to here (bytes).
_LONGEST_EMBEDDED = 1 << 27
_START = 4096
_BLANKS = (b" ", b"\n", b"\0")

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

#: What follows `base64,`, on one line or folded, or begins as gzip, PNG or zip do in base64.
_EMBEDDED = re.compile(
    r"(?:(?<=;base64,)|(?<![A-Za-z0-9+/])(?=H4sI|iVBORw0KGgo|UEsDB))"
    r"[A-Za-z0-9+/]+(?:\s+[A-Za-z0-9+/]{60,})*(?:\s+[A-Za-z0-9+/]+(?==))?={0,2}"
)
_EMBEDDED_GOES_ON = re.compile(rb"[A-Za-z0-9+/]{256}\Z")

_SHORTEST = 6
_RUN = re.compile(rf"[^\n\ufffd]{{{_SHORTEST},}}")
#: Control characters, which end a run, as line ends.
_AS_LINES = bytes(byte if byte == 9 or 32 <= byte != 127 else 10 for byte in range(256))
#: Bytes that are letters, digits or signs of Latin-1 as blanks, and others but 0 as 1.
_AS_SIGNS = bytes(32 if 32 <= byte < 127 or byte >= 160 else min(byte, 1) for byte in range(256))
_UTF_16 = {"utf-16-le": b" \0", "utf-16-be": b"\0 "}
#: How far from the ends of a run characters too many are taken off, and how many at most.
_EDGE, _ODD = 256, 2


def plain_text(stream: BinaryIO) -> Parts:
    """All text from where a stream stands that is not packed, and files embedded in it.

    Text is UTF-8, Latin-1 or, with a mark at the beginning, UTF-16 or UTF-32; see `printable` for
    what is no text.
    """
    at = stream.tell()
    mark = stream.read(4)
    stream.seek(at)
    encoding = next((name for sign, name in _MARKS.items() if mark.startswith(sign)), "")
    blocks = _blocks(stream)
    if encoding:
        read = codecs.iterdecode(blocks, encoding, "replace")
        blocks = (text.replace("\0", "\n").encode() for text in read)
    for first_line, piece in _pieces(blocks):
        if b"\0" in piece:
            yield Text("binary", printable(piece))
        if b"\0" not in piece[:_START]:
            in_lines = at == 0 and b"\0" not in piece
            yield from _of_text(decoded(piece), first_line if in_lines else 0)


def _of_text(text: str, first_line: int) -> Parts:
    for embedded in _EMBEDDED.finditer(text):
        coded = "".join(embedded[0].split()).rstrip("=")
        coded = coded[:-1] if len(coded) % 4 == 1 else coded
        yield Packed("embedded", BytesIO(b64decode(coded + "=" * (-len(coded) % 4))))
    left = _EMBEDDED.sub(lambda found: " " + "\n" * found[0].count("\n"), text)
    yield from texts("text", left, first_line)


def everything(place: str, content: bytes) -> Iterator[Text]:
    """What bytes that are mostly text may say: a header's or a short file's."""
    yield from texts(place, decoded(content))
    yield Text(place, printable(content))


def printable(content: bytes) -> str:
    """What is text among bytes of any meaning, each run of it on a line of its own.

    Text is UTF-8, or UTF-16 of Latin letters. What stands next to a run, such as its length, may
    look like a letter of it: up to two are taken off at either end, too.
    """
    runs = _RUN.findall(content.translate(_AS_LINES).decode(errors="replace"))
    signs = content.translate(_AS_SIGNS)
    for encoding, sign in _UTF_16.items():
        if sign * _SHORTEST in signs:
            several = b"(?:%s){%d,}" % (sign, _SHORTEST)
            found = re.finditer(several, signs)
            runs += [content[one.start() : one.end()].decode(encoding) for one in found]
    return "\n".join(one for run in runs for one in _without_ends(run))


def _without_ends(run: str) -> Iterator[str]:
    if len(run) > _EDGE:
        yield run
        yield from (run[first:_EDGE] for first in range(1, _ODD + 1))
        yield from (run[-_EDGE:-last] for last in range(1, _ODD + 1))
        return
    for first, last in product(range(_ODD + 1), repeat=2):
        yield run[first : len(run) - last]


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """What a stream holds, even what stands right before the place where it is damaged."""
    waiting: list[bytes] = []
    size = 0
    try:
        while some := stream.read1(_PIECE):  # not as much as is asked for, if it is packed
            waiting.append(some)
            size += len(some)
            if size >= _PIECE:
                yield b"".join(waiting)
                waiting, size = [], 0
    except Exception:
        if waiting:
            yield b"".join(waiting)
        raise
    if waiting:
        yield b"".join(waiting)


def _pieces(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Blocks as overlapping pieces that are cut between words, and not in embedded files.

    Before each piece comes the number of its first line.
    """
    waiting, line = bytearray(), 1
    block = next(blocks, b"")
    while block:
        waiting += block
        try:
            block = next(blocks, b"")
        except Exception:
            yield line, bytes(waiting)
            raise
        if not block:
            yield line, bytes(waiting)
            return
        tail = waiting[-256:]
        if _EMBEDDED_GOES_ON.match(tail) and len(waiting) < _LONGEST_EMBEDDED:
            continue
        last = max(waiting.rfind(blank, len(waiting) - _OVERLAP) for blank in _BLANKS)
        end = last if last > 0 else len(waiting)
        yield line, bytes(waiting[:end])
        first, half = end - _OVERLAP, end - _OVERLAP // 2
        starts = [waiting.find(blank, max(first, 0), max(half, 0)) for blank in _BLANKS]
        done = max(min((one for one in starts if one >= 0), default=first), 0)
        line += waiting.count(b"\n", 0, done)
        del waiting[:done]
