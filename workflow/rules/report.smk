# The paper's tables, and the page that shows them with everything behind them.


rule tabulate:
    input:
        metrics=PLAN.measured_scenarios(),
        splits=SPLITS,
        published=PLAN.published("csv"),
    output:
        tables=PLAN.tables(STUDY),
        rows=PLAN.table_rows(STUDY),
        cases=STUDY / "tables/metrics.csv",
        summary=STUDY / "tables/summary.json",
        claims=STUDY / "tables/claims.json",
    log:
        paths.log_file(STUDY, "tabulate"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        study=subpath(input.splits, parent=True),
        folder=subpath(output.summary, parent=True),
        depends_on=PLAN.depends_on("tabulate"),
    shell:
        "remodal tabulate --settings {params.settings} --study {params.study}"
        " --output {params.folder} > {log} 2>&1"


rule report:
    input:
        summary=STUDY / "tables/summary.json",
        predictions=PLAN.predicted_scenarios(),
        published=PLAN.published("csv", "yaml"),
        models=PLAN.trained_models(),
        registrations=PLAN.registered_cases(),
    output:
        STUDY / "report/index.html",
    log:
        paths.log_file(STUDY, "report"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        study=subpath(input.summary, ancestor=2),
        data=PLAN.data,
        depends_on=PLAN.depends_on("report"),
    shell:
        "remodal report --settings {params.settings} --study {params.study} --data {params.data}"
        " --output {output} > {log} 2>&1"


# The last rule of all. A fault of ours in one case stops nothing. This rule makes the otherwise
# finished run fail, so that somebody notices. Every run ends like this until the fault is mended.
rule faults:
    input:
        report=STUDY / "report/index.html",
        tracking=STUDY / "tracking.json",
    output:
        STUDY / "report/faults.json",
    log:
        paths.log_file(STUDY, "faults"),
    retries: 0
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        study=subpath(input.tracking, parent=True),
        data=PLAN.data,
    shell:
        "remodal faults --settings {params.settings} --study {params.study} --data {params.data}"
        " --output {output} > {log} 2>&1"
