"""Which study dvc.yaml is about: the one of config/config.yaml.

DVC cannot work out the names of a study's folders. They are written to config/shared.yaml, which
goes into git with the rest of config/, so that a clone knows them without a run.
"""

from pathlib import Path

import yaml

from remodal.results.files import write_text
from remodal.settings import Settings
from remodal.settings.composition import compose, read_yaml

_CONFIG, NAMES = Path("config/config.yaml"), Path("config/shared.yaml")

_HEAD = "# What dvc.yaml is about: study and folder in results/data. Written by `remodal share`.\n"


def configured_study() -> Settings:
    """The study of config/config.yaml.

    Raises:
        UserError: there is none, or its settings are wrong.
    """
    return compose(read_yaml(_CONFIG))


def name_study(settings: Settings) -> bool:
    """Make dvc.yaml be about this study; return whether it was about another one."""
    text = names_text(settings.study_id, settings.data_id)
    if NAMES.is_file() and read_yaml(NAMES) == yaml.safe_load(text):
        return False
    write_text(NAMES, text)
    return True


def names_text(study: str, dataset: str) -> str:
    """What `NAMES` says of a study: the names of its folder and of its data's folder."""
    return _HEAD + yaml.safe_dump({"study": study, "dataset": dataset}, sort_keys=False)
