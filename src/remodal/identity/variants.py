"""In which ways a value may be written: parts of a name, formats of a date, spellings."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime

from remodal.identity.values import DATE, KINDS, NAME, NUMBER

#: The words of a value, in the form that `normal` gives text.
Words = tuple[str, ...]

WHOLE, PART = "", "a part of it"

_WORD = re.compile(r"[^\W_]+")
#: What stands for a name where there is none.
_NO_NAMES = {
    *("anonymous", "anonymized", "anonymised", "patient", "unknown", "none", "doctor", "prof"),
    *("simulated", "phantom"),
}
_SHORTEST, _SHORTEST_DIGITS, _SHORTEST_JOINED = 4, 5, 6
_GERMAN = {"ä": "ae", "ö": "oe", "ü": "ue"}


def normal(text: str) -> str:
    """Text in which case and the composition of letters make no difference."""
    return unicodedata.normalize("NFKC", text).casefold()


def variants(keyword: str, value: str) -> Iterator[tuple[Words, str]]:
    """How a value of an attribute may be written, and whether that is the whole value.

    What is too short to tell anything (three letters, four digits) is left out.
    """
    written = {NAME: _names, DATE: _dates, NUMBER: _numbers}.get(KINDS[keyword], _wholes)
    for words, how in dict.fromkeys(written(value)):
        if _is_telling(words):
            yield words, how


def _is_telling(words: Words) -> bool:
    joined = "".join(words)
    if not joined.isascii():
        return len(joined) > 1
    return len(joined) >= (_SHORTEST_DIGITS if joined.isdigit() else _SHORTEST)


def _words(text: str) -> Words:
    return tuple(_WORD.findall(normal(text)))


def _spellings(text: str) -> list[str]:
    """The text, without accents, and with a German umlaut as two letters."""
    own = normal(text)
    plain = "".join(c for c in unicodedata.normalize("NFKD", own) if not unicodedata.combining(c))
    return list(dict.fromkeys([own, plain, "".join(_GERMAN.get(c, c) for c in own)]))


def _wholes(value: str) -> Iterator[tuple[Words, str]]:
    for text in _spellings(value):
        yield _words(text), WHOLE


def _names(value: str) -> Iterator[tuple[Words, str]]:
    """A person's name: `family^given^middle^prefix^suffix`, in up to three scripts after `=`."""
    for script in value.split("="):
        for text in _spellings(script):
            family, given, middle, *_ = [*map(_words, text.split("^")), (), ()]
            parts = [part for part in (family, given, middle) if part]
            orders = [[family, given], [given, family], parts, [*parts[1:], *parts[:1]]]
            for order in orders if len(parts) > 1 else [parts]:
                words = tuple(word for part in order for word in part)
                yield words, WHOLE
                if len("".join(words)) >= _SHORTEST_JOINED:
                    yield ("".join(words),), WHOLE
            for word in {word for part in parts for word in part} - _NO_NAMES:
                yield (word,), PART


def _numbers(value: str) -> Iterator[tuple[Words, str]]:
    words = _words(value)
    joined = "".join(words)
    for written in (words, (joined,), (joined.lstrip("0"),)):
        yield written, WHOLE


def _dates(value: str) -> Iterator[tuple[Words, str]]:
    """A date as numbers in each order, with and without leading zeros, and with a month's name."""
    try:
        day = datetime.strptime(value[:8], "%Y%m%d").date()
    except ValueError:
        return
    yield from ((words, WHOLE) for words in _written(day))


def _written(day: date) -> Iterator[Words]:
    yield (f"{day:%Y%m%d}",)
    yield (f"{day:%d%m%Y}",)
    year, numbers = str(day.year), (f"{day.month}", f"{day.day}")
    for month, number in (numbers, (f"{day.month:02}", f"{day.day:02}")):
        yield from ((year, month, number), (number, month, year), (month, number, year))
        for name in (normal(f"{day:%b}"), normal(f"{day:%B}")):
            yield from ((number, name, year), (name, number, year), (year, name, number))
