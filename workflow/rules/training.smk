# One trained model per job. The state of an unfinished run lives in `checkpoints`, which is no
# output: Snakemake deletes outputs before a rerun. `exec`, so that no shell dies of a stop signal
# before the training has saved.


rule train:
    input:
        splits="results/studies/{study}/splits.json",
        fingerprint="results/studies/{study}/preprocessed/fold{fold}/fingerprint.json",
        cases="results/studies/{study}/preprocessed/fold{fold}.training.json",
        models=input_models,
    output:
        weights="results/studies/{study}/models/{method}/fold{fold}-seed{seed}/model.safetensors",
        description="results/studies/{study}/models/{method}/fold{fold}-seed{seed}/model.json",
        curves="results/studies/{study}/models/{method}/fold{fold}-seed{seed}/curves.csv",
        record="results/studies/{study}/models/{method}/fold{fold}-seed{seed}/training.json",
    log:
        "results/studies/{study}/logs/train/{method}-fold{fold}-seed{seed}.log",
    benchmark:
        "results/studies/{study}/benchmarks/train/{method}-fold{fold}-seed{seed}.tsv"
    conda:
        "../../envs/remodal.yaml"
    threads: SETTINGS.training.threads
    resources:
        gpu=gpus(SETTINGS.training.device, SETTINGS.training.devices),
    params:
        settings="results/studies/{study}/settings.yaml",
        preprocessed=subpath(input.fingerprint, parent=True),
        folder=subpath(output.weights, parent=True),
        checkpoints="results/studies/{study}/checkpoints/{method}-fold{fold}-seed{seed}",
        inputs=input_options,
        depends_on=training_depends_on,
    shell:
        "exec remodal train --settings {params.settings} --method {wildcards.method}"
        " --fold {wildcards.fold} --seed {wildcards.seed} --threads {threads}"
        " --preprocessed {params.preprocessed} --splits {input.splits}"
        " --fingerprint {input.fingerprint} {params.inputs}"
        " --checkpoints {params.checkpoints} --output {params.folder} > {log} 2>&1"
