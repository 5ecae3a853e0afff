# The study, its plan and its checks; names that the rules' paths are made of.

import os
import signal
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from remodal.errors import RemodalError
from remodal.results import paths
from remodal.results.files import require_writable
from remodal.results.rule_names import module_of
from remodal.run.needed import ask_as_profile, config_of, group_as_profile
from remodal.run.plan import plan_of, taking_wildcards
from remodal.run.start_check import check_names
from remodal.settings.composition import compose, write_settings
from remodal.settings.places import hidden
from remodal.sharing.adoption import adopt_pulled
from remodal.splits.completeness import require_enough_patients
from remodal.splits.study import require_possible_recipes

# Slurm's early warning reaches every process of a job, but only the training should act on it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

try:
    SETTINGS = compose(config)
    PLAN = plan_of(SETTINGS)
    if workflow.is_main_process:
        for folder in (Path(".snakemake"), paths.RESULTS):
            require_writable(folder)
        check_names(SETTINGS, Path(".snakemake"))
        require_enough_patients(SETTINGS, PLAN.cases.values())
        require_possible_recipes(SETTINGS, PLAN.cases.values())
        print(hidden(SETTINGS.study, SETTINGS.preset), end="", file=sys.stderr)
        print(adopt_pulled(), end="", file=sys.stderr)
except RemodalError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    data=SETTINGS.data_id,
    study=SETTINGS.study_id,
    case="[A-Za-z0-9_.-]+",
    modality="|".join(SETTINGS.data.modalities),
    method="|".join(SETTINGS.methods),
    scenario="|".join(SETTINGS.scenarios),
    fold=r"\d+",
    seed=r"\d+",


# Paths of the rules, with wildcards.
STUDY, DATA = paths.study_folder("{study}"), paths.data_folder("{data}")
# A parameter with wildcards must be text.
STUDY_SETTINGS = str(paths.settings_file(STUDY))
DATA_SETTINGS = str(paths.settings_file(DATA))
CONVERTED = paths.converted_folder(DATA, "{case}")
REGISTERED = paths.registered_folder(DATA, "{case}")
SPLITS = paths.splits_file(STUDY)
TRAINING = paths.Training("{method}", "{fold}", "{seed}")
MODEL = paths.model_folder(STUDY, TRAINING)
PREDICTIONS = paths.prediction_folder(STUDY, TRAINING, "{scenario}")
METRICS = paths.metrics_file(STUDY, TRAINING, "{scenario}")
LESIONS = paths.lesions_file(STUDY, TRAINING, "{scenario}")
