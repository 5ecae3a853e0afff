# The paper's tables, and the page that shows them with everything behind them.


rule tabulate:
    input:
        metrics=measured_scenarios(),
        splits=SPLITS,
        published=of_paper("csv"),
    output:
        tables=expand(
            "results/studies/{{study}}/tables/{table}.{format}",
            table=SETTINGS.tables,
            format=["csv", "tex", "md"],
        ),
        rows=table_rows(),
        cases="results/studies/{study}/tables/metrics.csv",
        summary="results/studies/{study}/tables/summary.json",
        claims="results/studies/{study}/tables/claims.json",
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
        summary="results/studies/{study}/tables/summary.json",
        predictions=predicted_scenarios(),
        published=of_paper("csv", "yaml"),
        models=trained_models(),
        registrations=registered_cases(),
    output:
        "results/studies/{study}/report/index.html",
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
        report="results/studies/{study}/report/index.html",
        tracking="results/studies/{study}/tracking.json",
    output:
        "results/studies/{study}/report/faults.json",
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
