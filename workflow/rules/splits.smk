# Which cases train and which test: by patient, among the cases that are usable.


rule split:
    input:
        records=PLAN.registered_cases(),
        shared=PLAN.shared_split_file(),
    output:
        SPLITS,
    log:
        paths.log_file(STUDY, "split"),
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=STUDY_SETTINGS,
        registered=taking_wildcards(PLAN.registered_folder),
        depends_on=PLAN.depends_on("split"),
    shell:
        "remodal split --settings {params.settings} --registered {params.registered}"
        " --output {output} > {log} 2>&1"
