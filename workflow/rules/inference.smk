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
        data=PLAN.data,
        quarantine=PLAN.quarantine_option,
        depends_on=taking_wildcards(PLAN.inference_depends_on),
    shell:
        "remodal infer --settings {params.settings} --model {params.model}"
        " --scenario {wildcards.scenario} --preprocessed {params.preprocessed}"
        " --splits {input.splits} --fold {wildcards.fold} --data {params.data} --threads {threads}"
        " {params.quarantine} --output {output} > {log} 2>&1"
