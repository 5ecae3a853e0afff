"""What the end of a gzip file says of its content, without unpacking it."""

from io import SEEK_END
from pathlib import Path


def ends_with_length(path: Path, length: int) -> bool:
    """Whether a gzip file ends with the length of its content (RFC 1952).

    If so, it is not cut off. If not, it may be whole nevertheless: one of several parts says only
    how long its last part is, and so does one of 4 GB or more, modulo 2^32.

    Args:
        path: the file, of at least four bytes.
        length: of the unpacked content, in bytes.
    """
    with open(path, "rb") as raw:
        raw.seek(-4, SEEK_END)
        return length < 1 << 32 and int.from_bytes(raw.read(), "little") == length
