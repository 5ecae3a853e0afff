"""remodal: from hospital scans to a paper's tables.

One study at a time: config/config.yaml names it. The way of the data is the order of the includes.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/intake.smk"
include: "workflow/rules/registration.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/preprocessing.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tracking.smk"


# Every stage reads its settings from a file beside its results. It is no input: each rule carries
# what it reads of them as `depends_on`, so that a change runs just the jobs that it concerns.
onstart:
    write_settings(Path(data_file("settings.yaml")), SETTINGS)
    write_settings(Path(study_file("settings.yaml")), SETTINGS)


# What each target makes, coarse to fine; dvc.yaml runs the same ones.
rule all:
    default_target: True
    input:
        study_file("report/index.html"),
        study_file("tracking.json"),
        study_file("report/faults.json"),


rule data:
    input:
        registered_cases(),


rule prepared:
    input:
        preprocessed_cases(),
        inventories(),


rule models:
    input:
        trained_models(),


rule predictions:
    input:
        predicted_scenarios(),


rule tables:
    input:
        study_file("tables/summary.json"),
