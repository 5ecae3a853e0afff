"""What a command says last when it is interrupted (Ctrl-C, SIGTERM): what is kept, how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from remodal.errors import CONTINUES, Interrupted


@contextmanager
def goes_on(kept: str) -> Iterator[None]:
    """Around a command (as a decorator too) that goes on where it was interrupted.

    Args:
        kept: what it need not do again.

    Raises:
        Interrupted: it was.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {kept} is kept", remedy=CONTINUES) from None


def starts_anew() -> Interrupted:
    """The last words of all other commands, whose files are written whole or not at all."""
    return Interrupted(
        "interrupted; nothing half-written is left", remedy="the same command starts anew"
    )
