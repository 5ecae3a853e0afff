"""A first study that has predicted a structure in cases of two folds."""

import pytest
from tests.first_study import FirstStudy, made


@pytest.fixture
def first(tmp_path) -> FirstStudy:
    return made(tmp_path)
