# Intensities, spacing and cropping, with statistics of a fold's training cases only. One job per
# case prepares it for every fold: with hundreds of cases the number of jobs is what costs. Folds
# that do not differ share one folder.


# Only with `network: auto`. The stages below find the plan beside their settings.
rule plan_network:
    input:
        splits=SPLITS,
        records=PLAN.registered_cases(),
        masks=PLAN.crop_masks(),
    output:
        paths.plan_file(STUDY),
    log:
        paths.log_file(STUDY, "plan-network"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=taking_wildcards(PLAN.registered_folder),
        studies=paths.STUDIES,
        depends_on=PLAN.depends_on("plan-network"),
    shell:
        "remodal plan-network --settings {params.settings} --splits {input.splits}"
        " --registered {params.registered} --studies {params.studies} --output {output} > {log} 2>&1"


rule fingerprint:
    input:
        splits=SPLITS,
        records=PLAN.registered_cases(),
        plan=PLAN.network_plan(),
    output:
        paths.fingerprint_file(STUDY, "{fold}"),
    log:
        paths.log_file(STUDY, "fingerprint-fold{fold}"),
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=taking_wildcards(PLAN.registered_folder),
        depends_on=PLAN.depends_on("fingerprint"),
    shell:
        "remodal fingerprint --settings {params.settings} --splits {input.splits}"
        " --fold {wildcards.fold} --registered {params.registered} --output {output} > {log} 2>&1"


rule preprocess:
    input:
        fingerprints=PLAN.fingerprints(),
        record=paths.registered_folder(PLAN.data, "{case}") / "registration.json",
        masks=PLAN.crop_masks(),
        plan=PLAN.network_plan(),
    output:
        PLAN.preprocessed_files(STUDY, "{case}"),
    log:
        paths.log_file(STUDY, "preprocess", "{case}"),
    benchmark:
        paths.benchmark_file(STUDY, "preprocess", "{case}")
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=subpath(input.record, parent=True),
        fingerprints=PLAN.fingerprint_options(),
        output=str(paths.preprocessed_folder(STUDY)),
        studies=paths.STUDIES,
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("preprocess"),
    shell:
        "remodal preprocess --settings {params.settings} --case {wildcards.case}"
        " --registered {params.registered} {params.fingerprints} {params.quarantine}"
        " --studies {params.studies} --output {params.output} > {log} 2>&1"


# Two small files stand for all cases of a fold. Otherwise every training and inference would have
# some hundred inputs, and planning would be slow.
rule inventory:
    input:
        splits=SPLITS,
        cases=taking_wildcards(PLAN.preprocessed_cases_of),
    output:
        training=paths.inventory_file(STUDY, "{fold}", "training"),
        test=paths.inventory_file(STUDY, "{fold}", "test"),
    log:
        paths.log_file(STUDY, "inventory-fold{fold}"),
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        preprocessed=taking_wildcards(PLAN.preprocessed_folder),
        depends_on=PLAN.depends_on("inventory"),
    shell:
        "remodal inventory --splits {input.splits} --fold {wildcards.fold}"
        " --preprocessed {params.preprocessed} --training {output.training} --test {output.test}"
        " > {log} 2>&1"
