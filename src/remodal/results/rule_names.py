"""Names of Snakemake's rules: those of a study that another one needs are named after it."""

import re

#: Between what stands for the study and the name of the stage.
MARK = "__"


def module_of(study: str) -> str:
    """What stands in front of the names of a needed study's rules.

    Args:
        study: name of its folder.
    """
    return re.sub(r"\W", "_", study) + MARK


def stage_of(rule: str) -> str:
    """The stage of a rule or group, whichever study it belongs to."""
    return rule.rpartition(MARK)[2]
