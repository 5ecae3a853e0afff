"""Read the stored values of slices from their files, in any transfer syntax.

Sizes are compared with what the files hold before anything is allocated: a corrupt header may ask
for any amount of memory.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import numpy as np

from remodal.errors import BadCase
from remodal.intake.bits import keep_value_bits
from remodal.intake.decoding import bytes_of, decoded, sizes_fit
from remodal.intake.slices import Slice

_THREADS = 2


def read_stored(slices: list[Slice]) -> tuple[np.ndarray, list[str], list[str]]:
    """Read the pixels of slices that are equal in size.

    Returns:
        Stored values (z, y, x) in the order of `slices`, the SHA-256 of each file, warnings.

    Raises:
        BadCase: more or fewer pixels than Rows and Columns say, or damaged or undecodable files.
    """
    _check_sizes(slices)
    kind = np.result_type(*{one.form.stored for one in slices})
    read = _read_plain if _are_plain(slices, kind) else _read_files
    stored, digests, overlaid = read(slices, kind)
    if not overlaid:
        return stored, digests, []
    return stored, digests, [f"bits that are no value (overlays?) are left out ({overlaid} slices)"]


def _check_sizes(slices: list[Slice]) -> None:
    """Compare the sizes of uncompressed pixels with what the files hold."""
    for one in slices:
        if one.pixels_at is None:
            continue
        needed = bytes_of(one) * one.frames
        if not sizes_fit(one, one.pixel_bytes):
            raise BadCase(
                f"file {one.file_number} (by name) has {one.pixel_bytes} bytes of pixels where "
                f"its Rows and Columns say {needed}",
                expected="sizes that fit the pixels",
                remedy="export the series again",
            )
        start = one.pixels_at - one.frame * bytes_of(one)
        _require_whole(one, one.file.stat().st_size - start, needed)


def _are_plain(slices: list[Slice], kind: np.dtype) -> bool:
    """Whether each slice has a file of its own, which holds the bytes of an array of `kind`."""
    as_in_array = all(one.pixels_at is not None and one.form.stored == kind for one in slices)
    alone = len({one.file_number for one in slices}) == len(slices)
    return as_in_array and alone and sys.byteorder == "little"


def _read_plain(slices: list[Slice], kind: np.dtype) -> tuple[np.ndarray, list[str], int]:
    stored = np.empty((len(slices), slices[0].rows, slices[0].columns), kind)
    # Reading and hashing release the interpreter's lock.
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_read_into, stored, slices))
    return stored, [digest for digest, _ in found], sum(overlaid for _, overlaid in found)


def _read_into(plane: np.ndarray, one: Slice) -> tuple[str, bool]:
    """Read a plain slice into its plane; return the SHA-256 and whether bits were left out."""
    digest = hashlib.sha256()
    with open(one.file, "rb", buffering=0) as file:
        digest.update(file.read(one.pixels_at))
        _require_whole(one, file.readinto(memoryview(plane).cast("B")), bytes_of(one))
        digest.update(plane)
        digest.update(file.read())
    return digest.hexdigest(), keep_value_bits(plane, one.form)


def _read_files(slices: list[Slice], kind: np.dtype) -> tuple[np.ndarray, list[str], int]:
    """Read files that hold several slices, or pixels whose bytes cannot be used as they are."""
    stored, digests, overlaid = None, [], 0
    indexed = sorted(enumerate(slices), key=lambda pair: (pair[1].file_number, pair[1].frame))
    for _, of_file in groupby(indexed, key=lambda pair: pair[1].file_number):
        frames = list(of_file)
        data = frames[0][1].file.read_bytes()
        digests.append(hashlib.sha256(data).hexdigest())
        for (index, one), plane in zip(frames, _planes(data, [one for _, one in frames])):
            overlaid += keep_value_bits(plane, one.form)
            if stored is None:
                # Only now are the sizes known to be right.
                stored = np.empty((len(slices), one.rows, one.columns), kind)
            stored[index] = plane
    return stored, digests, overlaid


def _planes(data: bytes, frames: list[Slice]) -> Iterator[np.ndarray]:
    """Stored values of the frames of one file, whose content is `data`."""
    if any(one.pixels_at is None for one in frames):
        yield from decoded(data, frames)
        return
    for one in frames:
        little = one.form.stored.newbyteorder("<")
        plane = np.frombuffer(data, little, one.rows * one.columns, one.pixels_at)
        yield plane.reshape(one.rows, one.columns).astype(one.form.stored)


def check_lengths(slices: Sequence[Slice]) -> None:
    """Require that files are long enough for their pixels, without reading them.

    Nothing is said of compressed pixels, whose length is not known before.

    Raises:
        BadCase: one is cut short.
    """
    for one in slices:
        if one.pixels_at is not None:
            _require_whole(one, one.file.stat().st_size - one.pixels_at, bytes_of(one))


def _require_whole(one: Slice, present: int, expected: int) -> None:
    if present < expected:
        raise BadCase(
            f"file {one.file_number} (by name) is cut short: {max(0, present)} of {expected} "
            "bytes of pixels",
            remedy="copy the series again",
        )
