import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.results import provenance
from remodal.results.files import write_json
from remodal.results.provenance import (
    NO_RECORDS,
    code_hash,
    data_hash,
    git_state,
    hardware,
    versions,
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A separate package in place of remodal's files; gives a function that writes a module."""
    root = tmp_path / "remodal"
    monkeypatch.setattr(provenance, "_PACKAGE", root)

    def write(name, text):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        for cached in (provenance._imports, provenance._source_file, provenance._source):
            cached.cache_clear()

    write("__init__.py", "__version__ = '1'")
    write(
        "stage.py",
        "import os\nfrom remodal.area import part\n\ndef run():\n    import remodal.late",
    )
    write("area/__init__.py", "from . import sibling")
    write("area/part.py", "from ..shared import value")
    write("area/sibling.py", "")
    write("area/stranger.py", "")
    write("shared.py", "value = 1")
    write("late.py", "")
    write("errors.py", "")
    yield write
    monkeypatch.undo()
    for cached in (provenance._imports, provenance._source_file, provenance._source):
        cached.cache_clear()


@pytest.mark.parametrize(
    "name",
    ["stage.py", "area/__init__.py", "area/part.py", "area/sibling.py", "shared.py", "late.py"],
)
def test_code_hash_sees_every_module_that_is_imported(package, name):
    before = code_hash("remodal.stage")
    package(name, "changed = True\nfrom remodal.area import part\nimport remodal.late")
    assert code_hash("remodal.stage") != before


@pytest.mark.parametrize("name", ["area/stranger.py", "__init__.py", "errors.py"])
def test_code_hash_does_not_change_with_what_decides_nothing(package, name):
    before = code_hash("remodal.stage")
    package(name, "changed = True")
    assert code_hash("remodal.stage") == before


def test_code_hash_ignores_line_endings(package):
    package("shared.py", "value = 1\nother = 2\n")
    before = code_hash("remodal.stage")
    package("shared.py", "value = 1\r\nother = 2\r\n")
    assert code_hash("remodal.stage") == before


def test_finds_the_imports_that_a_full_parse_finds():
    for path in Path(provenance.__file__).parents[1].rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        imports = (ast.Import, ast.ImportFrom)
        parsed = [ast.dump(n) for n in ast.walk(ast.parse(source)) if isinstance(n, imports)]
        found = [ast.dump(node) for node in provenance._import_statements(source)]
        assert sorted(found) == sorted(parsed), path


def test_prose_is_no_import():
    source = (
        '"""Text\nfrom here on,\nimport duties (and\nmore)\n"""\nif True:\n    import os  # (why\n'
    )
    assert [ast.unparse(n) for n in provenance._import_statements(source)] == ["import os"]


def test_no_such_module():
    with pytest.raises(UserError, match=r"no module `remodal\.nowhere`"):
        code_hash("remodal.nowhere")


def test_the_whole_package_is_hashed_in_a_moment():
    """The Snakefile does this every time it is read."""
    code = (
        "import time, sys; from remodal.results.provenance import code_hash;"
        "start = time.perf_counter();"
        "code_hash('remodal.cli'); print(time.perf_counter() - start);"
        "print({'numpy', 'torch', 'mlflow', 'snakemake'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.splitlines()
    assert float(seconds) < 2  # measured: a twentieth of it; this machine may be busy
    assert heavy == "set()"


#: Converted files of each case.
VENOUS = {"p1": ["venous", "label-venous"], "p2": ["venous", "label-venous"]}


def converted(folder, case, image, **record):
    details = {"sha256": record.pop("sha256")} if "sha256" in record else {}
    write_json(
        folder / case / f"{image}.json",
        {"case": case, "status": "ok", "details": details | record.pop("details", {}), **record},
    )


def test_data_hash_is_of_the_sources(tmp_path):
    for folder in ("one", "two"):
        converted(tmp_path / folder, "p1", "venous", sha256="a")
        converted(tmp_path / folder, "p1", "label-venous", sha256="b")
    converted(tmp_path / "two", "p1", "label-venous", sha256="b", details={"run_time": 3.0})
    assert data_hash(tmp_path / "one", VENOUS) == data_hash(tmp_path / "two", VENOUS)
    converted(tmp_path / "two", "p1", "label-venous", sha256="c")
    assert data_hash(tmp_path / "one", VENOUS) != data_hash(tmp_path / "two", VENOUS)


def test_data_hash_counts_quarantined_cases(tmp_path):
    converted(tmp_path, "p1", "venous", sha256="a")
    before = data_hash(tmp_path, VENOUS)
    converted(tmp_path, "p2", "venous", status="quarantined", reason="empty folder")
    assert data_hash(tmp_path, VENOUS) != before


def test_data_hash_leaves_out_what_an_earlier_sheet_named(tmp_path):
    converted(tmp_path, "p1", "venous", sha256="a")
    before = data_hash(tmp_path, VENOUS)
    converted(tmp_path, "p1", "arterial", sha256="b")
    converted(tmp_path, "p3", "venous", sha256="c")
    assert data_hash(tmp_path, VENOUS) == before


def test_no_records(tmp_path):
    assert data_hash(tmp_path / "nowhere", VENOUS) == NO_RECORDS


def test_git_state_of_a_checkout_and_of_an_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    assert git_state() == {"commit": "not a git checkout", "dirty": None}

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    git("init", "--quiet")
    assert git_state()["commit"] == "not a git checkout"  # installed inside someone's repository
    (tmp_path / "__init__.py").write_text("one = 1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    clean = git_state()
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "__init__.py").write_text("one = 2\n")
    assert git_state() == {"commit": clean["commit"], "dirty": True}


def test_versions_and_hardware_fit_into_json():
    assert json.dumps([versions(), hardware()])
    assert versions()["numpy"].count(".") == 2
    assert hardware()["cores"] >= 1
    assert hardware()["memory_gib"] > 0
