# Every model into MLflow, by one rule: many writers at once would lose metrics.


rule track:
    input:
        summary=STUDY / "tables/summary.json",
        models=PLAN.trained_models(),
    output:
        STUDY / "tracking.json",
    log:
        paths.log_file(STUDY, "track"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        study=subpath(input.summary, ancestor=2),
        depends_on=PLAN.depends_on("track"),
    shell:
        "remodal track --settings {params.settings} --study {params.study} --output {output}"
        " > {log} 2>&1"
