"""A finished study of small files, and the same shared."""

import pytest

from tests.sharing.study import SharedFolder, finished_study


@pytest.fixture
def owner(tmp_path):
    """A finished study that was never shared; its remote is the folder `store` beside it."""
    folder = SharedFolder(tmp_path / "owner")
    folder.folder.mkdir()
    finished_study(folder, str(tmp_path / "store"))
    return folder


@pytest.fixture
def shared(owner):
    """The study, shared and committed."""
    owner.remodal("share")
    owner.commit("a study")
    return owner
