# A model's predictions of its fold's test cases, one scenario per job.


rule infer:
    input:
        splits=SPLITS,
        cases=paths.inventory_file(STUDY, "{fold}", "test"),
        weights=MODEL / "model.safetensors",
    output:
        directory(PREDICTIONS),
    log:
        paths.log_file(STUDY, "infer", TRAINING.job, "{scenario}"),
    benchmark:
        paths.benchmark_file(STUDY, "infer", TRAINING.job, "{scenario}")
    conda:
        "../../envs/remodal.yaml"
    threads: SETTINGS.compute.threads
    resources:
        gpu=PLAN.gpus(1),
    params:
        settings=STUDY_SETTINGS,
        model=subpath(input.weights, parent=True),
        preprocessed=taking_wildcards(PLAN.preprocessed_folder),
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("infer"),
    shell:
        "remodal infer --settings {params.settings} --model {params.model}"
        " --scenario {wildcards.scenario} --preprocessed {params.preprocessed}"
        " --splits {input.splits} --fold {wildcards.fold} --threads {threads}"
        " {params.quarantine} --output {output} > {log} 2>&1"
