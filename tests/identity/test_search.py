"""A value is known however it is written."""

import pytest
from tests.identity.files import TAGS, UID

from remodal.identity.search import Index


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ANNELIESE MÜLLER-LÜDENSCHEIDT", True),
        ("muller ludenscheidt", True),
        ("MuellerLuedenscheidtAnneliese", True),
        ("Luden", False),
        ("Müllerin", False),
        ("1954-07-09", True),
        ("07/09/1954", True),
        ("9 July 1954", True),
        ("1954-07-19", False),
        ("47110815", True),
        ("147110815", False),
        ("0.47110815", False),
        (f"see {UID}.", True),
        (f"{UID}.99", False),
        ("RAD_2021_88731", True),
        ("2021", False),
    ],
)
def test_a_value_is_known_however_it_is_written(text, found):
    index = Index({keyword: {value} for keyword, value in TAGS.items()})
    assert bool(index.hits(text)) == found
