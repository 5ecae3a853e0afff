from collections.abc import Callable
from pathlib import Path

import pytest

from remodal.settings import Settings
from remodal.settings.composition import validated

REGIONS = {"WT": ["necrosis", "oedema", "enhancing"], "ET": ["enhancing"]}


def _study(folder: Path | None, modalities: list[str], fixed: str = "t1ce") -> Settings:
    content = {
        "study": "brats",
        "preset": "paper",
        "title": "BraTS",
        "data": {
            "name": "brats",
            "source": "brats",
            "folder": folder,
            "modalities": modalities,
            "classes": {"necrosis": [1], "oedema": [2], "enhancing": [4]},
            "regions": REGIONS,
        },
        "registration": {"method": "none", "fixed": fixed},
        "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet"}},
        "scenarios": {"all": {"present": modalities}},
    }
    return validated(content, "test")


@pytest.fixture
def brats_study() -> Callable[..., Settings]:
    """Makes a study of a folder of BraTS, from the folder, its modalities and the fixed one."""
    return _study
