"""What speaks for a volume being an image that is looked for, and how sure that makes us."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Sureness = Literal["high", "medium", "low"]

#: How much each kind of evidence weighs.
PATTERN, DESCRIPTION, MEASURED, ORDER = 4, 3, 2, 1


@dataclass(frozen=True)
class Evidence:
    """One reason for one image.

    Attributes:
        name: the image that it speaks for.
        weight: one of the weights above.
        text: the reason, in words that name nobody.
    """

    name: str
    weight: int
    text: str


@dataclass(frozen=True)
class Verdict:
    """Which image a volume is; `name` is empty if nothing tells."""

    name: str
    sureness: Sureness
    reasons: tuple[str, ...]


def weigh(evidence: Iterable[Evidence]) -> Verdict:
    """Decide for the image with most weight.

    Sureness is high if several kinds of evidence agree, or the user's pattern found it; medium with
    one kind that is a description or a measurement; low if evidence contradicts, or only the
    order of the scans speaks for it.
    """
    weights: dict[str, int] = defaultdict(int)
    evidence = list(evidence)
    for one in evidence:
        weights[one.name] += one.weight
    if not weights:
        return Verdict("", "low", ())
    name = max(weights, key=lambda one: weights[one])
    against = sum(weight for other, weight in weights.items() if other != name)
    reasons = [one.text for one in evidence if one.name == name]
    reasons += [f"but {one.text}, as in {one.name}" for one in evidence if one.name != name]
    by_pattern = any(one.name == name and one.weight == PATTERN for one in evidence)
    sureness = "high" if by_pattern else _sureness(weights[name], against)
    return Verdict(name, sureness, tuple(reasons))


def _sureness(weight: int, against: int) -> Sureness:
    if against >= MEASURED or weight <= ORDER:
        return "low"
    return "high" if weight > DESCRIPTION and not against else "medium"
