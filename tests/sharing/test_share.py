"""What was shared comes back as it was; what is damaged, missing or changed is named."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from remodal.sharing.snakemake_records import read_record, replace_parameter, write_record
from tests.sharing.study import NOT_SHARED, record_of, times_of

A = "results/studies/ours/models/a.safetensors"


def object_of(store: Path, content: str) -> Path:
    """Where DVC keeps a content in a remote or cache."""
    name = hashlib.md5(content.encode()).hexdigest()
    return store / "files/md5" / name[:2] / name[2:]


def snakemakes_records(folder):
    files = (folder / ".snakemake/metadata").iterdir()
    return {file.name: json.loads(file.read_text()) for file in files}


def damage(path):
    """Change a content as a bad disk does: DVC assumes that write-protected files are sound."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    path.chmod(mode)


def test_a_clone_gets_files_times_and_snakemakes_records_back(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    said = clone.remodal("pull").stdout
    assert "8 files of 7 results, all as they were shared" in said
    assert times_of(clone) == times_of(shared)
    before, after = snakemakes_records(shared), snakemakes_records(clone)
    assert after.keys() == before.keys()
    for name, record in before.items():
        compared = {key: value for key, value in record.items() if key != "shellcmd"}
        assert after[name] | {"shellcmd": None} == compared | {"shellcmd": None}
    assert not (clone / NOT_SHARED).exists()
    assert clone.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_where_the_scans_lay_is_not_shared(shared, tmp_path):
    found = [file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert found
    assert not any(b"/hospital/someone" in content for content in found)


def test_one_stage_comes_with_what_later_ones_read(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    clone.remodal("pull", "models")
    assert (clone / A).is_file()
    assert (clone / "results/data/scans/registered/p1.nii.gz").is_file()
    assert not (clone / "results/studies/ours/report").exists()
    # Snakemake still knows what an absent result was made of.
    assert snakemakes_records(clone).keys() == snakemakes_records(shared).keys()


def test_what_is_only_partly_here_keeps_its_shared_version(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    clone.remodal("pull", "models")
    lock = (clone / "dvc.lock").read_text()
    said = clone.remodal("share").stdout
    assert "report: not whole, its shared version stays" in said
    assert (clone / "dvc.lock").read_text() == lock


def test_a_damaged_object_in_the_remote_is_named(shared, tmp_path):
    damage(object_of(tmp_path / "store", "weights of a"))
    clone = shared.clone(tmp_path / "clone")
    head, *lines = clone.refusal("pull")
    assert head == "remodal: 1 result is not what was shared:"
    assert lines == [f"{A}: DVC's remote has no sound copy of it"]
    # Everything else is in place.
    assert (clone / "results/studies/ours/models/b.safetensors").read_text() == "weights of b"


def test_a_damaged_object_is_named_even_where_dvc_does_not_verify(shared, tmp_path):
    damage(object_of(tmp_path / "store", "weights of a"))
    clone = shared.clone(tmp_path / "clone")
    clone.run("dvc", "remote", "modify", "shared", "verify", "false")
    _, line = clone.refusal("pull")
    assert line.startswith(f"{A}: its copy in DVC's cache is damaged: delete ")


def test_an_object_that_the_remote_lacks_is_named(shared, tmp_path):
    object_of(tmp_path / "store", "weights of a").unlink()
    clone = shared.clone(tmp_path / "clone")
    assert clone.refusal("pull")[1:] == [f"{A}: DVC's remote has no sound copy of it"]


def test_sharing_again_mends_an_interrupted_push(shared, tmp_path):
    object_of(tmp_path / "store", "weights of a").unlink()
    shared.remodal("share")
    shared.clone(tmp_path / "clone").remodal("pull")


def test_a_damaged_copy_in_the_cache_is_named_when_pulling_and_sharing(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    clone.remodal("pull")
    damage(object_of(clone / ".dvc/cache", "weights of a"))
    (clone / A).unlink()
    (line,) = clone.refusal("pull")[1:]
    assert line.startswith(f"{A}: its copy in DVC's cache is damaged: delete ")
    Path(clone / line.split("delete ")[1].split(" and ")[0]).unlink()
    clone.remodal("pull")
    assert (clone / A).read_text() == "weights of a"


def test_a_damaged_copy_is_not_pushed(shared):
    damage(object_of(shared / ".dvc/cache", "weights of a"))
    assert any(
        line.startswith(f"{A}: its copy in DVC's cache is damaged")
        for line in shared.refusal("share")
    )


@pytest.mark.parametrize("command", ["verify", "share", "pull"])
def test_a_result_that_was_changed_by_hand_is_named(shared, command):
    (shared / A).write_text("weights of me")
    assert f"{A}: changed by hand since it was made" in shared.refusal(command)
    assert (shared / A).read_text() == "weights of me"


def test_a_change_by_hand_is_named_before_anything_was_shared(owner):
    assert "none was changed since it was made" in owner.remodal("verify").stdout
    (owner / A).write_text("weights of me")
    assert f"{A}: changed by hand since it was made" in owner.refusal("verify")
    assert f"{A}: changed by hand since it was made" in owner.refusal("share")


def test_what_was_indexed_after_it_was_shared_is_shared_again(owner, monkeypatch):
    """DVC gives the files new times; the index, the conversions another name of their source."""
    monkeypatch.chdir(owner.folder)
    converted = "results/data/scans/registered/p1.nii.gz"
    record = read_record(converted)
    write_record(converted, record | {"params": ["'a'", "'not indexed: 1 file'"]})
    owner.remodal("share")
    later = record["endtime"] + 100
    os.utime(converted, (later, later))
    assert replace_parameter(converted, "not indexed", "beef")
    owner.remodal("share")
    assert "'beef'" in (owner / "results/data/scans/records/data.json").read_text()
    write_record(converted, record | {"params": ["'another'", "'beef'"]})
    (line,) = owner.refusal("share")[1:]
    assert line == f"{converted}: changed by hand since it was made"


def test_pulling_what_was_never_shared_says_so(owner):
    assert "nothing was shared yet" in owner.refusal("pull")[0]


def test_a_remote_folder_that_does_not_exist_is_said_in_one_line(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    clone.run("mv", str(tmp_path / "store"), str(tmp_path / "not mounted"))
    done = clone.remodal("pull", check=False)
    assert done.returncode == 4
    said = [line for line in done.stderr.splitlines() if line.startswith("remodal:")]
    assert said == [
        f"remodal: DVC's remote `shared`, {tmp_path}/store: this folder does not exist; mount it, "
        "or name the right one: `dvc remote modify --local shared url FOLDER`"
    ]


def test_what_mlflow_holds_here_is_a_matter_of_each_place(owner, tmp_path, monkeypatch):
    from remodal.sharing import snakemake_records

    monkeypatch.chdir(owner.folder)
    tracking = "results/studies/ours/tracking.json"
    Path(tracking).write_text("{}")
    snakemake_records.write_record(tracking, record_of(tracking))
    owner.remodal("share")
    lock = (owner / "dvc.lock").read_bytes()
    Path(tracking).write_text("{'another': 'run'}")
    snakemake_records.write_record(tracking, record_of(tracking))
    owner.remodal("share")
    assert (owner / "dvc.lock").read_bytes() == lock
    owner.commit("a study")
    clone = owner.clone(tmp_path / "clone")
    clone.remodal("pull")
    assert not (clone / tracking).exists()
    monkeypatch.chdir(clone.folder)
    assert snakemake_records.read_record(tracking) is None


def test_a_table_that_git_put_back_is_no_change_by_hand(shared):
    table = shared / "results/studies/ours/tables/table1.csv"
    table.write_bytes(table.read_bytes())
    shared.remodal("verify")


def test_a_file_that_was_put_into_a_result_is_named(shared):
    added = "results/studies/ours/predictions/a/p2.nii.gz"
    (shared / added).write_text("mask")
    assert f"{added}: changed by hand since it was made" in shared.refusal("verify")


def test_what_snakemake_made_again_is_no_change_by_hand(shared, monkeypatch):
    from remodal.sharing import snakemake_records

    (shared / A).write_text("new weights")
    monkeypatch.chdir(shared.folder)
    snakemake_records.write_record(A, record_of(A))
    assert f"{A}: made again here since it was shared" in shared.remodal("verify").stdout
    shared.remodal("share")


def make_again(folder, monkeypatch, *outputs):
    """Let Snakemake make outputs again, later and with the same content."""
    from remodal.sharing import snakemake_records

    monkeypatch.chdir(folder.folder)
    for output in outputs:
        Path(output).write_bytes(Path(output).read_bytes())
        snakemake_records.write_record(output, record_of(output))


def test_equal_results_give_an_equal_lock_whenever_they_were_made(shared, monkeypatch):
    lock = (shared / "dvc.lock").read_bytes()
    make_again(shared, monkeypatch, A, "results/studies/ours/report/index.html")
    # DVC renews the time of a file that it links again.
    (shared / "results/data/scans/registered/p1.nii.gz").touch()
    shared.remodal("share")
    assert (shared / "dvc.lock").read_bytes() == lock
    shared.remodal("verify")
    shared.remodal("share")
    assert (shared / "dvc.lock").read_bytes() == lock


def test_a_result_that_was_made_with_another_parameter_gives_another_lock(shared, monkeypatch):
    from remodal.sharing import snakemake_records

    lock = (shared / "dvc.lock").read_bytes()
    monkeypatch.chdir(shared.folder)
    snakemake_records.write_record(A, record_of(A, params=["'another digest'"]))
    shared.remodal("share")
    assert (shared / "dvc.lock").read_bytes() != lock


def test_records_that_were_lost_after_sharing_twice_are_pulled_again(shared, monkeypatch):
    make_again(shared, monkeypatch, A)
    shared.remodal("share")
    shared.run("git", "checkout", "dvc.lock")
    for records in (shared / "results").rglob("records/*.json"):
        records.unlink()
    shared.remodal("pull")
    assert "results are as they were shared" in shared.remodal("verify").stdout


def test_a_table_that_was_not_committed_to_git_is_named(owner, tmp_path):
    owner.remodal("share")
    table = "results/studies/ours/tables/table1.csv"
    owner.run("git", "add", "--all")
    owner.run("git", "reset", "--quiet", "--", table)
    owner.run("git", "commit", "--quiet", "--message", "without a table")
    clone = owner.clone(tmp_path / "clone")
    assert f"{table}: it lies in git, not in DVC: commit it where it was made" in clone.refusal(
        "pull"
    )


def test_records_that_are_not_those_of_dvc_lock_are_named(shared):
    records = shared / "results/studies/ours/records/models.json"
    records.write_text(records.read_text().replace("a digest", "another"))
    assert any("not those that dvc.lock names" in line for line in shared.refusal("verify"))


def test_results_of_a_run_that_goes_on_are_not_shared(owner):
    (owner / ".snakemake/locks").mkdir()
    (owner / ".snakemake/locks/0.output.lock").write_text(A)
    assert "Snakemake is running or was killed" in owner.refusal("share")[0]


def test_a_stage_that_does_not_exist_is_said(shared):
    (line,) = shared.refusal("pull", "model")
    assert line == "remodal: dvc.yaml: no stage `model`; expected data, models, report"
