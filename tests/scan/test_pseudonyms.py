"""Pseudonyms of patients and examinations: numbers, or made with a key."""

import pytest

from remodal.errors import UserError
from remodal.scan.grouping import Examination
from remodal.scan.pseudonyms import pseudonyms, read_key

KEY = b"0123456789abcdef"
VISITS = [Examination("p1", "1.1", ""), Examination("p1", "1.2", ""), Examination("p2", "1.3", "")]


def test_the_same_key_gives_the_same_pseudonyms_in_any_order_and_place(tmp_path):
    first = pseudonyms(VISITS, tmp_path / "a.json", KEY)
    later = pseudonyms(VISITS[::-1], tmp_path / "b.json", KEY)
    assert first == later[::-1]
    assert first[0][1] == first[1][1] != first[2][1]
    assert len({case for case, _ in first}) == 3
    assert not list(tmp_path.iterdir())


def test_another_key_gives_others(tmp_path):
    ours, theirs = (pseudonyms(VISITS, tmp_path / "a", key) for key in (KEY, KEY[::-1]))
    assert not {name for one in ours for name in one} & {name for one in theirs for name in one}


def test_a_key_is_known_by_its_text_and_too_short_a_one_is_refused(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\r\n")
    assert read_key(file) == KEY
    file.write_text("secret\n")
    with pytest.raises(UserError, match="the key is too short; expected a secret of 16"):
        read_key(file)
    with pytest.raises(UserError, match="cannot be read; make one: `openssl rand -hex 32"):
        read_key(tmp_path / "none")
