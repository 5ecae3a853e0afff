import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.extensions import OURS, Extension, available, load, require

METHOD = """'''A U-Net of theirs.'''

from remodal.methods.nnunet import NNUNet


class Mine(NNUNet):
    '''The plain U-Net under another name.'''


METHOD = Mine
"""


def install(folder: Path, name: str, points: str, **modules: str) -> None:
    """A package as an installer leaves it: its modules and its metadata."""
    package = folder / name
    package.mkdir(parents=True)
    for module, text in {"__init__": "", **modules}.items():
        (package / f"{module}.py").write_text(text)
    describe_package(folder, name, points)


def describe_package(folder: Path, name: str, points: str) -> None:
    """What an installer writes about a package: its name, version and entry points."""
    about = folder / f"{name}-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(points)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_our_own_come_from_the_folder():
    assert available("remodal.methods")["maml"] == Extension("remodal.methods.maml", OURS)
    assert "base" not in available("remodal.methods")
    assert {"sheet", "phantom"} <= available("remodal.datasets").keys()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"unknown method `mamal`.*maml.*nnunet"):
        require("remodal.methods", "mamal", "method")


def test_a_method_of_an_installed_package_is_listed_with_its_origin(tmp_path):
    points = "[remodal.methods]\nmine = their_package.mine\n"
    install(tmp_path, "their_package", points, mine=METHOD)
    done = run(tmp_path, "-m", "remodal", "methods")
    assert done.returncode == 0, done.stderr
    listed = dict(re.split("  +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert listed["mine (their_package 1.5)"] == "A U-Net of theirs."
    assert listed["maml (remodal)"] == "MAML: modality-aware mutual learning."


def test_the_options_of_a_method_are_shown_with_its_name(tmp_path):
    points = "[remodal.methods]\nmine = their_package.mine\n"
    install(tmp_path, "their_package", points, mine=METHOD)
    done = run(tmp_path, "-m", "remodal", "methods", "mine")
    first, *options = done.stdout.splitlines()
    assert re.fullmatch(r"mine \(their_package 1.5\) +A U-Net of theirs\.", first)
    assert any(line.startswith("  missing = refused: ") for line in options)
    assert run(tmp_path, "-m", "remodal", "methods", "yours").returncode == 2


def test_a_changed_file_of_another_package_changes_the_digest_of_its_method(tmp_path):
    points = "[remodal.methods]\nmine = their_package.mine\n"
    method = METHOD + "from their_package import widths"
    install(tmp_path, "their_package", points, mine=method, widths="", apart="")
    code = (
        "import sys; from remodal.results.provenance import code_hash;"
        "print(code_hash('their_package.mine'));"
        "sys.exit('their_package.mine' in sys.modules)"
    )
    first = run(tmp_path, "-c", code)
    assert first.returncode == 0, first.stderr
    (tmp_path / "their_package/apart.py").write_text("more = 1")
    assert run(tmp_path, "-c", code).stdout == first.stdout
    (tmp_path / "their_package/widths.py").write_text("more = 1")
    assert run(tmp_path, "-c", code).stdout != first.stdout


def test_a_package_need_not_have_an_init_file(tmp_path):
    install(tmp_path, "their_package", "", mine="from their_package import widths", widths="")
    (tmp_path / "their_package/__init__.py").unlink()
    code = (
        "from remodal.results.provenance import code_hash; print(code_hash('their_package.mine'))"
    )
    first = run(tmp_path, "-c", code)
    assert first.returncode == 0, first.stderr
    (tmp_path / "their_package/widths.py").write_text("more = 1")
    assert run(tmp_path, "-c", code).stdout != first.stdout


def test_a_name_that_is_taken_is_the_other_packages_mistake(tmp_path):
    points = "[remodal.methods]\nmaml = their_package.mine\n"
    install(tmp_path, "their_package", points, mine=METHOD)
    done = run(tmp_path, "-m", "remodal", "methods")
    assert done.returncode == 2
    assert "`maml` is there twice, from remodal and from their_package 1.5" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_module_that_cannot_be_used_is_told_with_its_package(tmp_path):
    with pytest.raises(UserError, match=r"no_such_module.* of theirs 1"):
        load(Extension("no_such_module", "theirs 1"), "METHOD")
    with pytest.raises(UserError, match="has no `METHOD`"):
        load(Extension("json", "theirs 1"), "METHOD")
