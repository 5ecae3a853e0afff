"""Find identifying values in text, however they are separated and written."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from remodal.identity.values import Values
from remodal.identity.variants import Words, normal, variants

_WORD = re.compile(r"[^\W_]+")
#: The next word, after at most three other characters on the same line.
_NEXT = re.compile(r"(?:(?!\n)[\W_]){1,3}([^\W_]+)")


class Hit(NamedTuple):
    """Of which attribute a value was found, and whether whole (empty) or `a part of it`."""

    keyword: str
    how: str


class Index:
    """The values to look for, by the first word of each way to write them.

    Attributes:
        too_short: how many values of an attribute are too short to be looked for.
    """

    def __init__(self, values: Values) -> None:
        self._ways: dict[str, dict[Words, Hit]] = defaultdict(dict)
        self.too_short: Counter[str] = Counter()
        for keyword, several in sorted(values.items()):
            for value in several:
                ways = list(variants(keyword, value))
                self.too_short[keyword] += not ways
                for words, how in ways:
                    hit = self._ways[words[0]].setdefault(words, Hit(keyword, how))
                    if hit.how and not how:
                        self._ways[words[0]][words] = Hit(keyword, how)

    def hits(self, text: str) -> set[Hit]:
        """Which values a text holds."""
        return {hit for hit, _ in self._found_in(normal(text))}

    def lines(self, text: str) -> dict[Hit, set[int]]:
        """Which values a text holds, and on which of its lines, from 0 on, each stands."""
        text = normal(text)
        found: dict[Hit, set[int]] = defaultdict(set)
        line = at = 0
        for hit, start in self._found_in(text):
            line, at = line + text.count("\n", at, start), start
            found[hit].add(line)
        return found

    def _found_in(self, text: str) -> Iterator[tuple[Hit, int]]:
        """What is found, and where it begins, from the beginning on."""
        for word in _WORD.finditer(text):
            for words, hit in self._ways.get(word[0], {}).items():
                end = _end_of(words, text, word.end())
                if end and not (_is_number(words) and _goes_on(text, word.start(), end)):
                    yield hit, word.start()


def _end_of(words: Words, text: str, end: int) -> int:
    """Where the words end whose first one ends at `end`; 0: the others do not follow."""
    for wanted in words[1:]:
        following = _NEXT.match(text, end)
        if following is None or following[1] != wanted:
            return 0
        end = following.end()
    return end


def _is_number(words: Words) -> bool:
    return all(word.isdigit() for word in words)


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether digits are only a piece of a decimal number or of a longer UID."""
    before, after = text[max(start - 2, 0) : start], text[end : end + 2]
    return bool(re.fullmatch(r"\d\.", before) or re.fullmatch(r"\.\d", after))
