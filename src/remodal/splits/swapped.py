"""Cases whose images seem to be swapped: a contrast that all others share is the other way round.

How bright an organ is in T1 or T2 depends on the sequence, on contrast agent and on suppressed fat,
so nothing is expected of an image by its name. The difference between two images of a case is
compared with that of the data set's other cases; in a case whose images are swapped it has the
opposite sign.
"""

from collections.abc import Mapping
from itertools import combinations
from statistics import median

#: With fewer cases there is no knowing which of them is the odd one.
_FEWEST = 5
#: Images that differ less than this usually are not told apart, nor is a case by less.
_LEAST = 0.15
#: A case is doubted if it differs by this share of the usual difference, the other way round.
_SHARE = 0.5


def swapped_images(brightness: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """What is odd about each case whose images seem to be swapped.

    Args:
        brightness: for each case, how bright its label is in each image that has one: the share of
            the body that is darker.
    """
    images = list(dict.fromkeys(name for case in brightness.values() for name in case))
    doubts: dict[str, str] = {}
    for first, second in combinations(images, 2):
        differences = {
            case: found[first] - found[second]
            for case, found in brightness.items()
            if first in found and second in found
        }
        if len(differences) < _FEWEST:
            continue
        usual = median(differences.values())
        bound = max(_LEAST, _SHARE * abs(usual))
        for case, difference in differences.items():
            if abs(usual) >= _LEAST and difference * usual < 0 and abs(difference) >= bound:
                doubts.setdefault(case, _said(first, second, usual))
    return doubts


def _said(first: str, second: str, usual: float) -> str:
    bright, dark = (first, second) if usual > 0 else (second, first)
    return (
        f"{first} and {second} may be swapped: what is labelled is brighter in {dark} than in "
        f"{bright}, against the body, and in the other cases darker"
    )
