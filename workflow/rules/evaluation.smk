# How good a model's predictions are, case by case.


rule evaluate:
    input:
        splits=SPLITS,
        predictions=PREDICTIONS,
    output:
        metrics=METRICS,
        lesions=LESIONS,
    log:
        paths.log_file(STUDY, "evaluate", TRAINING.job, "{scenario}"),
    benchmark:
        paths.benchmark_file(STUDY, "evaluate", TRAINING.job, "{scenario}")
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=taking_wildcards(PLAN.registered_folder),
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("evaluate"),
    shell:
        "remodal evaluate --settings {params.settings} --predictions {input.predictions}"
        " --registered {params.registered} --splits {input.splits} {params.quarantine}"
        " --output {output.metrics} --lesions {output.lesions} > {log} 2>&1"
