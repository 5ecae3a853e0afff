"""A finished study of small files, and the same shared; each test has a copy of its own."""

import subprocess

import pytest

from tests.sharing.study import SharedFolder, finished_study


@pytest.fixture
def owner(tmp_path):
    """A finished study that was never shared; its remote is the folder `store` beside it."""
    folder = SharedFolder(tmp_path / "owner")
    folder.folder.mkdir()
    finished_study(folder, "../../store")
    return folder


@pytest.fixture(scope="session")
def shared_once(tmp_path_factory):
    """A folder with `owner`, a study that was shared and committed, and `store`, its remote."""
    parent = tmp_path_factory.mktemp("shared")
    folder = SharedFolder(parent / "owner")
    folder.folder.mkdir()
    finished_study(folder, "../../store")
    folder.remodal("share")
    folder.commit("a study")
    return parent


@pytest.fixture
def shared(shared_once, tmp_path):
    """The shared study and its remote, beside each other in `tmp_path`."""
    subprocess.run(["cp", "-a", f"{shared_once}/.", tmp_path], check=True)
    return SharedFolder(tmp_path / "owner")
