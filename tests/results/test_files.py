import errno
import os

import pytest

from remodal.errors import EnvironmentProblem
from remodal.results.files import (
    atomic_path,
    explain,
    link_or_copy,
    read_json,
    removed_if_unfinished,
    require_writable,
    sha256,
    write_csv,
    write_json,
)


def fail_half_way(path):
    path.write_text("half")
    raise RuntimeError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        fail_half_way(temporary)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_table_has_its_columns_in_their_order_and_empty_cells_where_a_row_has_none(tmp_path):
    write_csv(tmp_path / "t.csv", ["b", "a"], [{"a": 1, "b": "x, y"}, {"a": 2}])
    assert (tmp_path / "t.csv").read_bytes() == b'b,a\n"x, y",1\n,2\n'


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_finished_is_removed(tmp_path, end):
    @removed_if_unfinished(tmp_path / "export")
    def write():
        (tmp_path / "export").mkdir()
        raise end

    with pytest.raises(end):
        write()
    assert not os.listdir(tmp_path)


def test_the_temporary_name_keeps_every_suffix(tmp_path):
    with atomic_path(tmp_path / "image.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"")


def test_two_writers_leave_one_whole_file(tmp_path):
    target = tmp_path / "file"
    with atomic_path(target) as first, atomic_path(target) as second:
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_a_refusal_of_the_machine_is_explained(tmp_path, number, said):
    with pytest.raises(EnvironmentProblem, match=said), atomic_path(tmp_path / "file"):
        raise OSError(number, os.strerror(number))


def test_a_folder_is_tried_before_a_run_without_making_it(tmp_path, monkeypatch):
    require_writable(tmp_path / "results" / "studies")
    assert os.listdir(tmp_path) == []
    (tmp_path / "results").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"results/studies: a file stands where"):
        require_writable(tmp_path / "results" / "studies")

    def refuse(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(EnvironmentProblem, match="read-only; choose a folder on a writable disk"):
        require_writable(tmp_path)


def test_any_other_error_stays_itself(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "gone")
    assert explain(error, tmp_path) is error


def test_json_is_the_same_whatever_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a", {"x": 1, "y": [2]})
    write_json(tmp_path / "b", {"y": [2], "x": 1})
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    assert read_json(tmp_path / "a") == {"x": 1, "y": [2]}


def test_json_refuses_what_is_not_a_number(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a", {"x": float("nan")})
    assert not (tmp_path / "a").exists()


def test_a_link_holds_the_same_content(tmp_path):
    (tmp_path / "source").write_text("content")
    link_or_copy(tmp_path / "source", tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").read_text() == "content"
