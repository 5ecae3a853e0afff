# Intensities, spacing and cropping, with statistics of a fold's training cases only. One job per
# case prepares it for every fold: with hundreds of cases the number of jobs is what costs. Folds
# that do not differ share one folder.


rule fingerprint:
    input:
        splits=SPLITS,
        records=registered_cases(),
    output:
        paths.fingerprint_file(STUDY, "{fold}"),
    log:
        paths.log_file(STUDY, "fingerprint-fold{fold}"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=registered_folder,
        depends_on=of_stage("fingerprint"),
    shell:
        "remodal fingerprint --settings {params.settings} --splits {input.splits}"
        " --fold {wildcards.fold} --registered {params.registered} --output {output} > {log} 2>&1"


rule preprocess:
    input:
        fingerprints=fingerprints_used(),
        record=paths.registered_folder(THIS_DATA, "{case}") / "registration.json",
    output:
        [
            folder / f"{{case}}{end}"
            for folder in preprocessed_folders(STUDY)
            for end in [".npy", *(f".{name}.npy" for name in label_names()), ".json"]
        ],
    log:
        paths.log_file(STUDY, "preprocess", "{case}"),
    benchmark:
        paths.benchmark_file(STUDY, "preprocess", "{case}")
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=subpath(input.record, parent=True),
        fingerprints=expand("--fingerprint {file}", file=fingerprints_used()),
        output=str(paths.preprocessed_folder(STUDY)),
        studies=paths.STUDIES,
        masks=crop_mask,
        quarantine=quarantine_option(),
        depends_on=of_stage("preprocess"),
    shell:
        "remodal preprocess --settings {params.settings} --case {wildcards.case}"
        " --registered {params.registered} {params.fingerprints} {params.quarantine}"
        " --studies {params.studies} --output {params.output} > {log} 2>&1"


# Two small files stand for all cases of a fold. Otherwise every training and inference would have
# some hundred inputs, and planning would be slow.
rule inventory:
    input:
        splits=SPLITS,
        cases=cases_of_fold,
    output:
        training=paths.inventory_file(STUDY, "{fold}", "training"),
        test=paths.inventory_file(STUDY, "{fold}", "test"),
    log:
        paths.log_file(STUDY, "inventory-fold{fold}"),
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        preprocessed=preprocessed_folder,
        depends_on=of_stage("inventory"),
    shell:
        "remodal inventory --splits {input.splits} --fold {wildcards.fold}"
        " --preprocessed {params.preprocessed} --training {output.training} --test {output.test}"
        " > {log} 2>&1"
