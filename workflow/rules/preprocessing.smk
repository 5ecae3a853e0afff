# Intensities, spacing and cropping, with statistics of a fold's training cases only.


rule fingerprint:
    input:
        splits="results/studies/{study}/splits.json",
        records=registered_cases(),
    output:
        "results/studies/{study}/preprocessed/fold{fold}/fingerprint.json",
    log:
        "results/studies/{study}/logs/fingerprint-fold{fold}.log",
    conda:
        "../../envs/remodal.yaml"
    params:
        settings="results/studies/{study}/settings.yaml",
        registered=registered_folder,
        depends_on=of_stage("fingerprint"),
    shell:
        "remodal fingerprint --settings {params.settings} --splits {input.splits}"
        " --fold {wildcards.fold} --registered {params.registered} --output {output} > {log} 2>&1"


rule preprocess:
    input:
        fingerprint="results/studies/{study}/preprocessed/fold{fold}/fingerprint.json",
        record=data_file("registered/{case}/registration.json"),
    output:
        image="results/studies/{study}/preprocessed/fold{fold}/{case}.npy",
        label="results/studies/{study}/preprocessed/fold{fold}/{case}.label.npy",
        record="results/studies/{study}/preprocessed/fold{fold}/{case}.json",
    log:
        "results/studies/{study}/logs/preprocess-fold{fold}/{case}.log",
    benchmark:
        "results/studies/{study}/benchmarks/preprocess-fold{fold}/{case}.tsv"
    conda:
        "../../envs/remodal.yaml"
    params:
        settings="results/studies/{study}/settings.yaml",
        registered=subpath(input.record, parent=True),
        folder=subpath(output.record, parent=True),
        depends_on=of_stage("preprocess"),
    shell:
        "remodal preprocess --settings {params.settings} --case {wildcards.case}"
        " --registered {params.registered} --fingerprint {input.fingerprint}"
        " --output {params.folder} > {log} 2>&1"
