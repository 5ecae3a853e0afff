# One trained model per job. The state of an unfinished run is kept in `checkpoints`, which is not
# an output: Snakemake deletes outputs before a rerun. `exec` is used so that no shell dies of a
# stop signal before the training has saved.


rule train:
    input:
        splits=SPLITS,
        fingerprint=paths.fingerprint_file(STUDY, "{fold}"),
        cases=paths.inventory_file(STUDY, "{fold}", "training"),
        models=taking_wildcards(PLAN.input_weights),
        plan=PLAN.network_plan(),
    output:
        weights=MODEL / "model.safetensors",
        description=MODEL / "model.json",
        curves=MODEL / "curves.csv",
        record=MODEL / "training.json",
    log:
        paths.log_file(STUDY, "train", TRAINING.job),
    benchmark:
        paths.benchmark_file(STUDY, "train", TRAINING.job)
    conda:
        "../../envs/remodal.yaml"
    threads: SETTINGS.compute.threads
    resources:
        gpu=PLAN.gpus(SETTINGS.compute.devices),
    params:
        settings=STUDY_SETTINGS,
        preprocessed=taking_wildcards(PLAN.preprocessed_folder),
        folder=subpath(output.weights, parent=True),
        checkpoints=str(paths.checkpoint_folder(STUDY, TRAINING)),
        inputs=taking_wildcards(PLAN.input_options),
        depends_on=taking_wildcards(PLAN.training_depends_on),
    shell:
        "exec remodal train --settings {params.settings} --method {wildcards.method}"
        " --fold {wildcards.fold} --seed {wildcards.seed} --threads {threads}"
        " --preprocessed {params.preprocessed} --splits {input.splits}"
        " --fingerprint {input.fingerprint} {params.inputs}"
        " --checkpoints {params.checkpoints} --output {params.folder} > {log} 2>&1"
