"""Which images are looked for: phases and sequences that are known, or patterns of the user's."""

import re
from dataclasses import dataclass

from remodal.errors import UserError
from remodal.scan.words import PHASES
from remodal.settings.names import require_modalities, require_usable

SEQUENCE_NAMES = ("t1", "t1ce", "t2", "flair")
KNOWN = (*PHASES, *SEQUENCE_NAMES)


@dataclass(frozen=True)
class Wanted:
    """An image that is looked for; `pattern` finds it in descriptions, if the user gave one."""

    name: str
    pattern: re.Pattern[str] | None = None


def parse_modalities(text: str) -> list[Wanted]:
    """Parse `arterial,venous`, or names with patterns: `t2=haste|t2.*tse`.

    A pattern is a regular expression, which is searched for in the description of a series,
    whatever the case; it may hold no comma.

    Raises:
        UserError: a name that is not known and has no pattern, no name, or a broken pattern.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wanted = []
    for part in parts:
        name, equals, pattern = (piece.strip() for piece in part.partition("="))
        if not equals and name not in KNOWN:
            raise UserError(
                f"`{name}` is not known",
                where="--modalities",
                expected=f"one of {', '.join(KNOWN)}, or a name with a pattern (`name=PATTERN`)",
            )
        wanted.append(Wanted(name, _compiled(pattern) if equals else None))
    names = [one.name for one in wanted]
    try:
        require_usable("--modalities", names)
        require_modalities(names)
    except ValueError as error:
        raise UserError(str(error)) from error
    if not wanted:
        raise UserError("there is none", where="--modalities", expected="one at least")
    return wanted


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise UserError(
            f"`{pattern}` is no pattern ({error})",
            where="--modalities",
            expected="a regular expression",
        ) from error
