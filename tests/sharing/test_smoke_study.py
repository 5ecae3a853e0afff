"""A real study, shared and pulled: Snakemake plans what has changed, and nothing else.

It takes minutes, as Snakemake and DVC start slowly, and uses the smoke study of other tests.
"""

import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.sharing.study import SharedFolder, prepare
from tests.workspace import LINKED, ROOT

pytestmark = pytest.mark.xdist_group("workflow")

DOWNSTREAM_OF_PREPARED = {"train", "infer", "evaluate", "tabulate", "report", "track", "faults"}


def planned(folder, *arguments):
    """The rules that Snakemake would run, with their numbers of jobs."""
    said = folder.run("snakemake", "--dry-run", *arguments)
    if "Nothing to be done" in said.stdout + said.stderr:
        return {}
    table = re.search(r"^job +count\n.*?^total", said.stdout + said.stderr, re.M | re.S)
    rows = (line.split() for line in table[0].splitlines()[2:-1])
    return {rule: int(count) for rule, count in rows if rule != "all"}


#: What MLflow holds is not shared: a clone fills its own store.
MLFLOW = {"track": 1, "faults": 1}


def add_a_line(file):
    file.write_text(file.read_text() + "# a line more\n")


@pytest.fixture(scope="module")
def owner(smoke_study, tmp_path_factory):
    """The finished smoke study in a repository of its own, shared and committed."""
    folder = SharedFolder(tmp_path_factory.mktemp("owner"))
    for name in (*LINKED, "config", "dvc.yaml", ".gitignore", ".dvcignore"):
        # cp -a keeps the times of files, of which Snakemake's plans are made.
        folder.run("cp", "-a", str(ROOT / name), str(folder / name))
    for name in ("results", ".snakemake"):
        folder.run("cp", "-a", str(smoke_study.folder / name), str(folder / name))
    config = folder / "config/config.yaml"
    config.write_text(config.read_text().replace("preset: demo", "preset: smoke"))
    prepare(folder, str(folder.folder.parent / f"{folder.folder.name}-store"))
    folder.environment = {"PYTHONPATH": "src"}
    folder.remodal("share")
    folder.commit("a study")
    return folder


@pytest.fixture(scope="module")
def full_clone(owner):
    clone = owner.clone(owner.folder.parent / f"{owner.folder.name}-full")
    clone.remodal("pull")
    return clone


@pytest.fixture
def clone(full_clone):
    """The full clone; what a test changes in files of git is undone."""
    yield full_clone
    full_clone.run("git", "checkout", "--quiet", ".")


def test_a_clone_that_pulled_everything_has_only_its_own_mlflow_to_fill(clone):
    assert planned(clone) == MLFLOW
    assert "up to date" in clone.run("dvc", "status").stdout


def test_dvc_pull_alone_is_enough(owner, tmp_path):
    clone = owner.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    started = clone.run("snakemake", "--dry-run")
    assert "results from DVC are as they were shared: Snakemake knows them" in started.stderr
    assert planned(clone) == MLFLOW


def test_a_clone_fills_its_mlflow_store_from_the_pulled_files(owner, tmp_path):
    clone = owner.clone(tmp_path / "clone")
    clone.remodal("pull")
    clone.run("snakemake", "--cores", "1")
    with closing(sqlite3.connect(clone / "mlflow.db")) as store:
        query = "SELECT value FROM tags WHERE key = 'remodal.key'"
        keys = {key for (key,) in store.execute(query)}
    assert len([key for key in keys if key.count("/") == 2]) == 7
    assert planned(clone) == {}
    clone.remodal("verify")


def test_dvc_shows_one_row_per_method_and_scenario(clone):
    shown = clone.run("dvc", "metrics", "show").stdout.rstrip().splitlines()
    assert len(shown) == 1 + 9 + 2
    head = shown[0].split()
    assert head == ["Path", "assd_voxel", "dice", "dice.minus-arterial", "masd_voxel", "missed"]
    assert all(len(line) <= 160 for line in shown)


def test_the_commands_that_check_anothers_study_run_as_written(clone):
    page = (ROOT / "docs/sharing.md").read_text()
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for command in block.splitlines():
        clone.run(*command.split())


def test_a_changed_parameter_plans_the_jobs_that_it_concerns(clone):
    epochs = planned(clone, "--config", "recipe={epochs: 77}")
    assert set(epochs) == DOWNSTREAM_OF_PREPARED
    assert epochs["train"] == 7


def test_a_changed_parameter_of_what_was_not_shared_is_seen(clone):
    assert "simulate" in planned(clone, "--config", "simulation={phantom: {seed: 77}}")


def test_a_changed_line_of_a_stages_code_plans_that_stage(clone):
    add_a_line(clone / "src/remodal/metrics/surface.py")
    assert set(planned(clone)) == {"evaluate", "tabulate", "report", "track", "faults"}


def test_a_result_that_was_changed_by_hand_is_named_and_no_job_trusts_it(clone):
    file = next((clone / "results").glob("studies/*/metrics/maml/*/both.csv"))
    content, times = file.read_bytes(), file.stat()
    try:
        file.write_bytes(content.replace(b"0", b"9", 1))
        name = file.relative_to(clone.folder)
        assert f"{name}: changed by hand since it was made" in clone.refusal("verify")
        assert "tabulate" in planned(clone)
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_clone_that_pulled_one_stage_plans_only_what_follows(owner, tmp_path):
    clone = owner.clone(tmp_path / "clone")
    clone.remodal("pull", "prepared")
    assert not (clone / "results/data/phantom-smoke/scans").exists()
    assert not (clone / "results/studies/liver-smoke/models").exists()
    assert set(planned(clone)) == DOWNSTREAM_OF_PREPARED
    add_a_line(clone / "src/remodal/splits/__init__.py")
    again = DOWNSTREAM_OF_PREPARED | {"split", "fingerprint", "preprocess", "inventory"}
    assert set(planned(clone)) == again


def test_repro_runs_what_changed_and_two_commits_compare(clone, tmp_path):
    folder = SharedFolder(tmp_path / "repro")
    shutil.copytree(clone.folder, folder.folder, symlinks=True)
    folder.run("cp", "-a", f"{clone.folder}/results", str(folder.folder))
    folder.run("cp", "-a", f"{clone.folder}/.snakemake", str(folder.folder))
    folder.environment = clone.environment
    study = folder / "config/studies/liver.yaml"
    content = study.read_text().replace(", assd_voxel, masd_voxel]", "]")
    study.write_text(re.sub(r" +- {metric: (assd|masd)_voxel}\n", "", content))
    folder.run("dvc", "repro")
    assert "up to date" in folder.run("dvc", "status").stdout
    shown = folder.run("dvc", "metrics", "show", "--json").stdout
    assert "table1.maml.both.json" in shown
    assert "assd_voxel" not in shown
    folder.commit("without surface distances")
    difference = folder.run("dvc", "metrics", "diff", "HEAD~1", "HEAD").stdout
    assert re.search(r"table1.maml.both.json +assd_voxel", difference)
    assert not re.search(r"table1.maml.both.json +dice", difference)
