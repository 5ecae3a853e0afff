"""remodal: from hospital scans to a paper's tables.

One study at a time: config/config.yaml names it. The way of the data is the order of the includes.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/needed.smk"
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
    for file, content in PLAN.settings_files():
        write_settings(file, content)


# `make demo` says where the report is even if there was nothing to do.
onsuccess:
    page = (PLAN.study / "report/index.html").absolute()
    if page.is_file() and "REMODAL_COMMAND" not in os.environ:
        print(f"Report: {page}", file=sys.stderr)


# What each target makes, coarse to fine; dvc.yaml runs the same ones.
rule all:
    default_target: True
    input:
        PLAN.study / "report/index.html",
        PLAN.study / "tracking.json",
        PLAN.study / "report/faults.json",


rule data:
    input:
        PLAN.registered_cases(),


rule prepared:
    input:
        PLAN.preprocessed_cases(),
        PLAN.inventories(),


rule models:
    input:
        PLAN.trained_models(),


rule predictions:
    input:
        PLAN.predicted_scenarios(),


rule tables:
    input:
        PLAN.study / "tables/summary.json",
