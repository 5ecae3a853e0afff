# What a model's predictions are worth, case by case.


rule evaluate:
    input:
        splits="results/studies/{study}/splits.json",
        predictions="results/studies/{study}/predictions/{method}/fold{fold}-seed{seed}/{scenario}",
    output:
        "results/studies/{study}/metrics/{method}/fold{fold}-seed{seed}/{scenario}.csv",
    log:
        "results/studies/{study}/logs/evaluate/{method}-fold{fold}-seed{seed}-{scenario}.log",
    benchmark:
        "results/studies/{study}/benchmarks/evaluate/{method}-fold{fold}-seed{seed}-{scenario}.tsv"
    conda:
        "../../envs/remodal.yaml"
    params:
        settings="results/studies/{study}/settings.yaml",
        registered=registered_folder,
        quarantine=quarantine_option(),
        depends_on=of_stage("evaluate"),
    shell:
        "remodal evaluate --settings {params.settings} --predictions {input.predictions}"
        " --registered {params.registered} --splits {input.splits} {params.quarantine}"
        " --output {output} > {log} 2>&1"
