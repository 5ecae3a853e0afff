"""Counts in words."""


def counted(count: int, one: str, several: str = "") -> str:
    """A count with its word: `1 case`, `2 cases`.

    Args:
        count: how many.
        one: the word for one of them.
        several: the word for several; empty: with an s at its end.
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"
