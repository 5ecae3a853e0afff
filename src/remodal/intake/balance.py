"""Shares of simulated cases that hold in every stretch of a data set.

Light, since the Snakefile asks for the cases before anything runs.
"""

import hashlib
from collections.abc import Sequence


def balanced(names: Sequence[str], seed: int, index: int, purpose: str = "") -> str:
    """Choose one of the names for a case.

    Each block of `len(names)` successive cases holds every name as often as `names` does, in an
    order drawn from the seed, so that the shares hold even in a small data set and a case does not
    change when cases are added.
    """
    block, place = divmod(index, len(names))
    copies = [(name, names[:number].count(name)) for number, name in enumerate(names)]

    def key(copy: tuple[str, int]) -> bytes:
        name, number = copy
        text = f"{seed}/{block}/{purpose}{name}" + (f"/{number}" if number else "")
        return hashlib.sha256(text.encode()).digest()

    return sorted(copies, key=key)[place][0]
