import pytest

from remodal.errors import BadCase
from remodal.records import Record, quarantine, read_record, require_ok, write_record


def test_a_quarantined_case_leaves_empty_files_and_its_reason(tmp_path):
    record = Record(case="a", stage="convert", reason="the folder is empty")
    quarantine(tmp_path / "a.json", record, [tmp_path / "a.nii.gz"])
    assert (tmp_path / "a.nii.gz").read_bytes() == b""
    assert not read_record(tmp_path / "a.json").ok
    assert read_record(tmp_path / "a.json").reason == "the folder is empty"


def test_a_quarantine_is_passed_on_with_its_first_reason(tmp_path):
    quarantine(tmp_path / "a.json", Record(case="a", stage="convert", reason="the first reason"))
    with pytest.raises(BadCase, match="the first reason"):
        require_ok([read_record(tmp_path / "a.json")])


def test_a_good_record_lets_the_case_pass(tmp_path):
    write_record(tmp_path / "a.json", Record(case="a", stage="convert"))
    require_ok([read_record(tmp_path / "a.json")])
