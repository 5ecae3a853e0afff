from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.preprocessing import write_inventory
from remodal.results.files import read_json, sha256
from remodal.results.records import Record, quarantine, write_record

from .conftest import CASES


@pytest.fixture
def fold(splits: Path) -> Path:
    """Folder of a fold with a record of each case."""
    for case in CASES:
        write_record(
            splits.parent / "fold0" / f"{case}.json", Record(case=case, stage="preprocess")
        )
    return splits.parent / "fold0"


def written(splits: Path, fold: Path) -> tuple[dict, dict]:
    files = fold.parent / "training.json", fold.parent / "test.json"
    write_inventory(splits, 0, fold, *files)
    return read_json(files[0]), read_json(files[1])


def test_each_case_stands_with_its_records_digest_where_it_is_read(splits, fold) -> None:
    training, test = written(splits, fold)
    assert training["cases"] == {case: sha256(fold / f"{case}.json") for case in "abc"}
    assert test["cases"] == {"d": sha256(fold / "d.json")}
    assert training["fold"] == test["fold"] == 0


def test_a_changed_test_case_leaves_what_training_depends_on(splits, fold) -> None:
    before = written(splits, fold)
    write_record(fold / "d.json", Record(case="d", stage="preprocess", details={"voxels": 1}))
    after = written(splits, fold)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_quarantined_case_stands_with_its_reason(splits, fold) -> None:
    quarantine(fold / "b.json", Record(case="b", stage="convert", reason="one slice"))
    training, test = written(splits, fold)
    assert training["quarantined"] == {"b": "one slice"}
    assert test["quarantined"] == {}


def test_a_case_that_is_not_there_is_named(splits, fold) -> None:
    (fold / "c.json").unlink()
    with pytest.raises(UserError, match=r"c\.json: is missing.*remodal preprocess"):
        written(splits, fold)
