import os
import stat

import pytest

from remodal.errors import EnvironmentProblem, UserError
from remodal.viewer.bundle import bundle


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A function that puts a script in npm's place; without it there is no npm, and no cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def install(script):
        path = folder / "npm"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    return install


def test_without_npm_one_line_says_how_to_get_niivue(npm):
    with pytest.raises(EnvironmentProblem) as raised:
        bundle()
    assert "npm is not installed" in str(raised.value)
    assert "npm pack @niivue/niivue@" in str(raised.value)
    assert "--niivue" in str(raised.value)


def test_without_a_network_the_line_says_that_npm_cannot_fetch_it(npm):
    npm("exit 1")
    with pytest.raises(EnvironmentProblem, match="npm cannot fetch it"):
        bundle()


def test_a_package_that_is_not_the_pinned_one_is_refused_and_not_kept(npm, tmp_path):
    npm("echo other > niivue.tgz")
    with pytest.raises(EnvironmentProblem, match="another digest"):
        bundle()
    assert not list((tmp_path / "cache").rglob("*.js"))


def test_a_file_that_is_not_niivue_is_refused(tmp_path):
    (tmp_path / "other.js").write_text("alert(1)")
    with pytest.raises(UserError, match=r"other\.js: is not NiiVue"):
        bundle(tmp_path / "other.js")
    with pytest.raises(UserError, match="there is no such file"):
        bundle(tmp_path / "none.js")


def test_a_changed_file_in_the_cache_is_not_used(npm, tmp_path):
    cached = tmp_path / "cache/remodal/niivue-0.69.0.js"
    cached.parent.mkdir(parents=True)
    cached.write_text("changed")
    with pytest.raises(EnvironmentProblem):
        bundle()


def test_niivue_given_as_a_file_is_the_same_and_needs_no_npm(niivue, npm, tmp_path):
    file = tmp_path / "niivue.umd.js"
    file.write_bytes(niivue.encode())
    assert bundle(file) == niivue
    assert "npm" not in os.listdir(tmp_path / "bin")
