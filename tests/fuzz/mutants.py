"""Damage to files: each mutant is known by the seed that it is made from."""

import struct
import zlib
from dataclasses import dataclass, replace

import numpy as np

from tests.fuzz.originals import Original

_NASTY = (
    *(b"\0", b"\xff", b"\x7f", b"\x80", b"../../x", b"$(touch x)", b"';DROP TABLE x;--"),
    *(b"<script>alert(1)</script>", b"nan", b"-1", b"1e999", b"99999999999", b"\\\\\\\\"),
    *(struct.pack("<H", 65535), struct.pack("<I", 2**31), struct.pack("<f", np.nan)),
    *(struct.pack("<f", 1e30), struct.pack("<h", -1), b"A" * 65536),
)


@dataclass(frozen=True)
class Mutant:
    """An original with one file changed; `how` says by what."""

    original: Original
    seed: int
    how: str


def mutant(originals: list[Original], seed: int) -> Mutant:
    """The mutant of a seed."""
    rng = np.random.default_rng(seed)
    original = originals[seed % len(originals)]
    name = list(original.files)[rng.integers(len(original.files))]
    ways = (_flipped, _overwritten, _inserted, _removed, _cut, _grown, _in_header, _in_content)
    way = ways[rng.choice(len(ways), p=(0.2, 0.2, 0.1, 0.05, 0.05, 0.05, 0.25, 0.1))]
    content = way(original.files[name], rng)
    files = original.files | {name: content}
    return Mutant(replace(original, files=files), seed, f"{way.__name__[1:]} {name}")


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.choice([1, 2, 8, 40])):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _in_header(data: bytes, rng: np.random.Generator) -> bytes:
    """One byte among the first, where sizes and types are."""
    changed = bytearray(data)
    changed[rng.integers(min(len(data), rng.choice([400, 1500])))] = int(rng.integers(256))
    return bytes(changed)


def _overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    nasty = _NASTY[rng.integers(len(_NASTY))]
    at = int(rng.integers(min(len(data), 2000)))
    return data[:at] + nasty + data[at + len(nasty) :]


def _inserted(data: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(data)))
    return data[:at] + _NASTY[rng.integers(len(_NASTY))] + data[at:]


def _removed(data: bytes, rng: np.random.Generator) -> bytes:
    at, length = int(rng.integers(len(data))), int(rng.choice([1, 2, 8, 200]))
    return data[:at] + data[at + length :]


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _grown(data: bytes, rng: np.random.Generator) -> bytes:
    return data + rng.bytes(int(rng.choice([1, 100, 10_000])))


def _in_content(data: bytes, rng: np.random.Generator) -> bytes:
    """One byte of what is packed, packed again: checksums are right."""
    for bits, start in ((31, data.find(b"\x1f\x8b")), (15, data.find(b"\x78"))):
        if start < 0:
            continue
        try:
            unpack = zlib.decompressobj(bits)
            plain = bytearray(unpack.decompress(data[start:]))
        except zlib.error:
            continue
        if not plain:
            continue
        plain[rng.integers(min(len(plain), 400))] = int(rng.integers(256))
        pack = zlib.compressobj(wbits=bits)
        return data[:start] + pack.compress(bytes(plain)) + pack.flush() + unpack.unused_data
    return _in_header(data, rng)
