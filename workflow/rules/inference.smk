# A model's predictions of its fold's test cases, one scenario per job.


rule infer:
    input:
        splits="results/studies/{study}/splits.json",
        cases="results/studies/{study}/preprocessed/fold{fold}.test.json",
        weights="results/studies/{study}/models/{method}/fold{fold}-seed{seed}/model.safetensors",
    output:
        directory(
            "results/studies/{study}/predictions/{method}/fold{fold}-seed{seed}/{scenario}"
        ),
    log:
        "results/studies/{study}/logs/infer/{method}-fold{fold}-seed{seed}-{scenario}.log",
    benchmark:
        "results/studies/{study}/benchmarks/infer/{method}-fold{fold}-seed{seed}-{scenario}.tsv"
    conda:
        "../../envs/remodal.yaml"
    threads: SETTINGS.inference.threads
    resources:
        gpu=gpus(SETTINGS.inference.device, 1),
    params:
        settings="results/studies/{study}/settings.yaml",
        model=subpath(input.weights, parent=True),
        preprocessed=preprocessed_folder,
        quarantine=quarantine_option(),
        depends_on=of_stage("infer"),
    shell:
        "remodal infer --settings {params.settings} --model {params.model}"
        " --scenario {wildcards.scenario} --preprocessed {params.preprocessed}"
        " --splits {input.splits} --fold {wildcards.fold} --threads {threads}"
        " {params.quarantine} --output {output} > {log} 2>&1"
