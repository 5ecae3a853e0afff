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


@pytest.fixture
def pancreas_study() -> Callable[..., Settings]:
    """Makes a study of Pancreas-CT, from its part `data` and other changes."""

    def make(data: dict, **changes) -> Settings:
        content = {
            "study": "pancreas",
            "preset": "paper",
            "title": "Pancreas",
            "data": {"name": "p", "modalities": ["ct"], "classes": {"pancreas": [1]}} | data,
            "registration": {"method": "none", "fixed": data.get("modalities", ["ct"])[0]},
            "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet"}},
            "scenarios": {"all": {"present": data.get("modalities", ["ct"])}},
        }
        return validated(content | changes, "test")

    return make
