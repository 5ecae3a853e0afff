import os

import pytest

from remodal.errors import EnvironmentProblem, UserError
from remodal.sharing import snakemake_records


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("output", ["results/a.json", "results/" + "long/" * 80 + "a.json"])
def test_a_record_lies_where_snakemake_looks_for_it(output):
    from snakemake.persistence.file import FilePersistence

    snakemake_records.write_record(output, {"record_format_version": 6, "rule": "make"})
    kept = FilePersistence()._record_path(".snakemake/metadata", output)
    assert os.path.isfile(kept)
    assert list(snakemake_records.all_records()) == [
        (output, {"record_format_version": 6, "rule": "make"})
    ]


def test_a_record_of_another_format_is_refused():
    snakemake_records.write_record("results/a.json", {"record_format_version": 7})
    with pytest.raises(UserError, match=r"results/a.json: its record has format 7; expected"):
        list(snakemake_records.all_records())


def test_a_snakemake_of_another_format_is_refused(monkeypatch):
    snakemake_records.require_known_format()
    monkeypatch.setattr("snakemake.persistence.RECORD_FORMAT_VERSION", 7)
    with pytest.raises(EnvironmentProblem, match="Snakemake's records have format 7"):
        snakemake_records.require_known_format()


def test_a_parameter_is_replaced_by_its_beginning():
    record = {"record_format_version": 6, "params": ["''", "'not indexed: a of 1'", "'x'"]}
    snakemake_records.write_record("a", record)
    assert snakemake_records.replace_parameter("a", "not indexed", "beef")
    assert snakemake_records.read_record("a")["params"] == ["''", "'beef'", "'x'"]
    assert not snakemake_records.replace_parameter("a", "not indexed", "beef")
