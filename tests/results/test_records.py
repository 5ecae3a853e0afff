import errno
from pathlib import Path

import pytest

from remodal.errors import BadCase, EnvironmentProblem, UserError
from remodal.results.records import (
    Record,
    quarantine,
    read_record,
    require_ok,
    with_quarantine,
    write_record,
)


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


def work_that(folder: Path, error: Exception | None = None, *, wanted: bool = True) -> Record:
    """A stage's work that writes its output, and then may raise."""

    def work() -> Record:
        (folder / "a.nii.gz").write_bytes(b"image")
        if error is not None:
            raise error
        record = Record(case="a", stage="register")
        write_record(folder / "a.json", record)
        return record

    blank = Record(case="a", stage="register")
    return with_quarantine(work, folder / "a.json", blank, [folder / "a.nii.gz"], wanted=wanted)


def test_good_work_is_left_alone(tmp_path):
    assert work_that(tmp_path) == read_record(tmp_path / "a.json")
    assert (tmp_path / "a.nii.gz").read_bytes() == b"image"


def test_bad_data_are_quarantined_and_no_fault(tmp_path, capsys):
    record = work_that(tmp_path, BadCase("is bent", where="a", remedy="straighten it"))
    assert record == read_record(tmp_path / "a.json")
    assert (record.ok, record.fault, record.reason) == (False, False, "a: is bent; straighten it")
    assert (tmp_path / "a.nii.gz").read_bytes() == b""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [ValueError("of Doe^Jane"), OSError("cannot identify Doe^Jane"), RuntimeError("odd")]
)
def test_a_fault_of_ours_is_quarantined_its_text_and_traceback_only_in_the_log(
    error, tmp_path, capsys
):
    record = work_that(tmp_path, error)
    assert record == read_record(tmp_path / "a.json")
    assert (record.ok, record.fault) == (False, True)
    assert record.reason.startswith(f"a fault of ours ({type(error).__name__})")
    assert "Doe" not in record.reason
    assert (tmp_path / "a.nii.gz").read_bytes() == b""
    log = capsys.readouterr().err
    assert "Traceback" in log
    assert str(error) in log
    assert "in work" in log


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("Failed to allocate memory for image."),
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        EnvironmentProblem("the disk is full"),
        UserError("no fingerprint"),
        KeyboardInterrupt(),
    ],
)
def test_what_no_case_is_to_blame_for_fails_the_job(error, tmp_path):
    with pytest.raises(type(error)):
        work_that(tmp_path, error)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("error", [BadCase("is bent"), ValueError("odd")])
def test_where_no_quarantine_is_wanted_it_is_raised_and_nothing_new_is_left(error, tmp_path):
    with pytest.raises(type(error)):
        work_that(tmp_path, error, wanted=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_before_is_not_deleted(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"before")
    with pytest.raises(BadCase):
        work_that(tmp_path, BadCase("is bent"), wanted=False)
    assert (tmp_path / "a.nii.gz").exists()


def test_a_fault_that_is_passed_on_keeps_its_stage_and_its_image(tmp_path):
    earlier = Record(case="a", stage="convert", modality="venous", reason="odd", fault=True)
    first = quarantine(tmp_path / "venous.json", earlier)
    blank = Record(case="a", stage="register")
    passed = with_quarantine(
        lambda: require_ok([first]), tmp_path / "a.json", blank, [], wanted=True
    )
    assert passed == first
