# The study's settings and cases, and the lists of files that targets and inputs are made of.

import signal
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from remodal.run.check import check_masks, check_names
from remodal.splits.completeness import require_enough_patients
from remodal.settings.composition import compose, write_settings
from remodal.errors import RemodalError
from remodal.masks.prediction import mask_states
from remodal.registration.ways import mask_of
from remodal.intake.datasets import cases_of
from remodal.intake.simulation import simulation_of
from remodal.intake.source_index import read_index, source_state
from remodal.sharing.adoption import adopt_pulled
from remodal.results import paths
from remodal.settings.names import label_name
from remodal.settings.stages import depends_on

# Slurm's early warning reaches every process of a job, but only the training should act on it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

try:
    SETTINGS = compose(config)
    CASES = {case.case: case for case in cases_of(SETTINGS)}
    SIMULATION = simulation_of(SETTINGS)
    INDEX = read_index(SETTINGS.data.sheet)
    if workflow.is_main_process:
        check_names(SETTINGS)
        check_masks(SETTINGS, CASES.values(), paths.STUDIES)
        require_enough_patients(SETTINGS, CASES.values())
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

# And those of this study.
THIS_STUDY = paths.study_folder(SETTINGS.study_id)
THIS_DATA = paths.data_folder(SETTINGS.data_id)


def study_file(name):
    return THIS_STUDY / name


def data_file(name):
    return THIS_DATA / name


def of_stage(stage):
    return depends_on(SETTINGS, stage)


def quarantine_option():
    return "" if SETTINGS.strict else "--quarantine"


def simulation_source():
    return data_file("source") if SIMULATION and SIMULATION.fetches else []


def simulation_depends_on():
    return (
        depends_on(SETTINGS, "simulate", module=SIMULATION.module) if SIMULATION else ""
    )


# Snakemake tracks the state of a source, by its content if the sheet has an index. The paths are
# passed as a Path or a LabelSource, which it does not compare: they may differ between machines.
def image_source(wildcards):
    return CASES[wildcards.case].images[wildcards.modality]


def label_source(wildcards):
    return CASES[wildcards.case].labels[wildcards.modality]


def label_options(wildcards):
    return label_source(wildcards).options


def image_state(wildcards):
    return state_of([image_source(wildcards)])


def label_state(wildcards):
    return state_of(label_source(wildcards).files)


def state_of(sources):
    return "simulated" if SIMULATION else source_state(sources, INDEX)


# Sources are not inputs: a clone that has what was made from them does not need them.
def simulated_scans(wildcards):
    return [paths.scans_folder(THIS_DATA, wildcards.case)] if SIMULATION else []


def converted_records(wildcards):
    case = CASES[wildcards.case]
    folder = paths.converted_folder(THIS_DATA, case.case)
    return [folder / f"{name}.json" for name in case.sources]


def case_options(wildcards):
    case = CASES[wildcards.case]
    images = [f"--modality {name}" for name in case.images]
    return images + [f"--label {name}" for name in case.labels]


def label_names():
    return [label_name(modality) for modality in SETTINGS.labels]


# What another study predicts, by content: like sources, its results are not inputs.
def registration_masks(wildcards):
    case = CASES[wildcards.case]
    mask = mask_of(SETTINGS.registration)
    return mask_states(mask, case.case, case.images, paths.STUDIES)


def crop_mask(wildcards):
    case = CASES[wildcards.case]
    fixed = SETTINGS.registration.reference(case.images)
    mask = SETTINGS.preprocessing.crop.mask
    return mask_states(mask, case.case, [fixed], paths.STUDIES)


def shared_split_file():
    return SETTINGS.splits.file or []


def of_paper(*kinds):
    files = [Path(f"config/published/{SETTINGS.published}.{kind}") for kind in kinds]
    return [str(path) for path in files if path.is_file()]


def data_folder(wildcards):
    return THIS_DATA


def registered_folder(wildcards):
    return f"{data_folder(wildcards)}/registered"


def preprocessed_folder(wildcards):
    folder = SETTINGS.preprocessing.folder_of(wildcards.fold)
    return str(paths.preprocessed_folder(THIS_STUDY, folder))


# One for each fold, or one for all of them.
def preprocessed_folders(study):
    names = dict.fromkeys(SETTINGS.preprocessing.folder_of(fold) for fold in folds())
    return [paths.preprocessed_folder(study, name) for name in names]


def registered_cases():
    return [
        paths.registered_folder(THIS_DATA, case) / "registration.json" for case in CASES
    ]


def folds():
    return range(SETTINGS.splits.fold_count)


def fingerprints_used():
    used = SETTINGS.preprocessing.depends_on_fold
    return [paths.fingerprint_file(THIS_STUDY, fold) for fold in folds() if used]


def inventories():
    return [
        paths.inventory_file(THIS_STUDY, fold, part)
        for fold in folds()
        for part in ("training", "test")
    ]


def preprocessed_cases():
    return [
        folder / f"{case}.json"
        for folder in preprocessed_folders(THIS_STUDY)
        for case in CASES
    ]


def cases_of_fold(wildcards):
    return [Path(preprocessed_folder(wildcards)) / f"{case}.json" for case in CASES]


# Models that one starts from, of the same fold and seed, by role.
def input_models(wildcards):
    return {
        role: paths.model_folder(
            THIS_STUDY, paths.Training(name, wildcards.fold, wildcards.seed)
        )
        for role, name in SETTINGS.methods[wildcards.method].inputs.items()
    }


def input_weights(wildcards):
    return [folder / "model.safetensors" for folder in input_models(wildcards).values()]


def input_options(wildcards):
    return [
        f"--input {role}={folder}" for role, folder in input_models(wildcards).items()
    ]


def training_depends_on(wildcards):
    return depends_on(SETTINGS, "train", wildcards.method)


def gpus(device, count):
    return 0 if device == "cpu" else count


def trained_models():
    return [
        paths.model_folder(THIS_STUDY, training) / "model.safetensors"
        for training in SETTINGS.trainings()
    ]


def evaluated():
    return [
        (THIS_STUDY, training, scenario)
        for training in SETTINGS.trainings()
        for scenario in SETTINGS.scenarios_of(training.method)
    ]


def predicted_scenarios():
    return [paths.prediction_folder(*cell) for cell in evaluated()]


def measured_scenarios():
    return [paths.metrics_file(*cell) for cell in evaluated()]


def table_rows():
    return [
        STUDY / f"tables/rows/{table}.{row.name}.json"
        for table, shown in SETTINGS.tables.items()
        for row in shown.rows
    ]
