"""Studies of data sets as they are distributed, as shipped, on a folder of the test."""

from pathlib import Path
from typing import Any

from remodal.settings import Settings
from remodal.settings.composition import compose
from tests.workspace import ROOT


def study_of_folder(name: str, folder: Path, **change: Any) -> Settings:
    """A study at preset `paper` with other settings, whatever the working directory."""
    settings = compose({"study": name, "preset": "paper"} | change, ROOT / "config")
    data = settings.data.model_copy(update={"folder": folder})
    split = settings.splits.model_copy(update={"file": ROOT / settings.splits.file})
    return settings.model_copy(update={"data": data, "splits": split})
