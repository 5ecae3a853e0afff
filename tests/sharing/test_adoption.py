"""`dvc pull` alone is enough: on starting, the Snakefile tells Snakemake what came."""

import pytest

from tests.sharing.study import record_of, times_of

A, B = (f"results/studies/ours/models/{name}.safetensors" for name in "ab")
START = "from remodal.sharing.adoption import adopt_pulled; print(adopt_pulled(), end='')"


@pytest.fixture
def clone(shared, tmp_path):
    """A clone into which DVC alone brought the results."""
    clone = shared.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    return clone


def start(folder, *, after: str = "") -> str:
    """What the Snakefile's start says."""
    return folder.run("python", "-c", START + after).stdout


def test_what_dvc_brought_is_known_to_snakemake_with_its_times(shared, clone):
    assert not list((clone / ".snakemake").rglob("*"))
    said = start(clone)
    assert said == ("remodal: 7 results from DVC are as they were shared: Snakemake knows them\n")
    assert times_of(clone) == times_of(shared)
    names = {file.name for file in (shared / ".snakemake/metadata").iterdir()}
    assert {file.name for file in (clone / ".snakemake/metadata").iterdir()} == names
    assert start(clone) == ""


def test_results_that_differ_are_not_adopted(clone, monkeypatch):
    (clone / A).write_text("weights of me")
    said = start(clone)
    assert "6 results from DVC are as they were shared" in said
    assert "1 are not (`remodal verify` names them)" in said
    monkeypatch.chdir(clone.folder)
    from remodal.sharing.snakemake_records import read_record

    assert read_record(A) is None
    assert read_record(B) is not None
    assert (clone / A).read_text() == "weights of me"


def test_one_stage_that_dvc_brought_is_adopted_and_the_next_one_later(shared, tmp_path):
    clone = shared.clone(tmp_path / "clone")
    clone.run("dvc", "pull", "models")
    # The table is in git, but its record is with the stage, which was not pulled.
    assert "2 results from DVC" in start(clone)
    clone.run("dvc", "pull", "report", "data")
    assert "5 results from DVC" in start(clone)


def test_an_ordinary_start_does_not_even_import_dvc(shared):
    look = "; import sys; print('dvc' in sys.modules)"
    assert start(shared, after=look) == "False\n"


def test_a_result_that_was_made_anew_keeps_its_record(clone, monkeypatch):
    from remodal.sharing import snakemake_records

    start(clone)
    (clone / A).write_text("new weights")
    monkeypatch.chdir(clone.folder)
    new = record_of(A)
    snakemake_records.write_record(A, new)
    assert start(clone) == ""
    assert snakemake_records.read_record(A) == new


def test_without_dvcs_folder_it_says_that_it_knows_nothing_of_the_results(clone):
    (clone / ".dvc").rename(clone / "dvc-moved-away")
    assert "results are here that Snakemake has no record of" in start(clone)
