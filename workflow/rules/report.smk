# The paper's tables, and the page that shows them with everything behind them.


rule tabulate:
    input:
        metrics=measured_scenarios(),
        splits=SPLITS,
        published=of_paper("csv"),
    output:
        tables=[
            STUDY / f"tables/{table}.{format}"
            for table in SETTINGS.tables
            for format in ["csv", "tex", "md"]
        ],
        rows=table_rows(),
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
        depends_on=of_stage("tabulate"),
    shell:
        "remodal tabulate --settings {params.settings} --study {params.study}"
        " --output {params.folder} > {log} 2>&1"


rule report:
    input:
        summary=STUDY / "tables/summary.json",
        predictions=predicted_scenarios(),
        published=of_paper("csv", "yaml"),
        models=trained_models(),
        registrations=registered_cases(),
    output:
        STUDY / "report/index.html",
    log:
        paths.log_file(STUDY, "report"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        study=subpath(input.summary, ancestor=2),
        data=data_folder,
        depends_on=of_stage("report"),
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
        data=data_folder,
    shell:
        "remodal faults --settings {params.settings} --study {params.study} --data {params.data}"
        " --output {output} > {log} 2>&1"
