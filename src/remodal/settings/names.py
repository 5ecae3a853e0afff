"""Names in the settings, which become files, patterns and options."""

import re
from collections.abc import Iterable

#: Names that no modality may have: it names a file beside these, and an option of `predict`.
RESERVED = {
    *("registration", "model", "output", "mask", "target", "cases", "format", "uncertainty"),
    *("measurements", "report"),
}

#: What a case or a patient may be called: it names folders, and must not be a path.
PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{1,64}")

_LABEL = "label"


def label_name(modality: str) -> str:
    """Name of the files of an image's label; the image's files have the image's own name."""
    return f"{_LABEL}-{modality}"


def require_modalities(names: Iterable[str]) -> None:
    """Check that no modality has the name of another file, or of another modality's label.

    Raises:
        ValueError: with the first name that does.
    """
    for name in names:
        if name in RESERVED or name.partition("-")[0] == _LABEL:
            raise ValueError(f"data.modalities: `{name}` is reserved; choose another name")


def require_usable(where: str, names: list[str]) -> None:
    """Check names, which become files and options: letters, digits, `_` and `-`, each name once."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(
                f"{where}: `{name}` is not a valid name; use letters, digits, `_` and `-`"
            )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where}: `{repeated[0]}` is there twice")


def require_known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Check that the names that a study uses are among those that it defines.

    Raises:
        ValueError: with the place and the first name that is not.
    """
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: `{name}` is not one of {', '.join(sorted(known))}")
