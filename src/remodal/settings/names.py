"""Checks of the names in the settings: they become files, patterns and options."""

import re
from collections.abc import Iterable

#: A modality's name is that of a file beside these, and an option beside those of `predict`.
RESERVED = {"label", "registration", "model", "output", "mask"}


def require_usable(where: str, names: list[str]) -> None:
    """Names become files, patterns and options: letters, digits, `_` and `-`, each once."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"{where}: `{name}` is no name; use letters, digits, `_` and `-`")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where}: `{repeated[0]}` is there twice")


def require_known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Names that a study uses are among those that it defines.

    Raises:
        ValueError: with the place and the first name that is not.
    """
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: `{name}` is not one of {', '.join(sorted(known))}")
