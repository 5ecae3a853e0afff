# Which cases train and which test: by patient, among the cases that are usable.


rule split:
    input:
        settings=ancient(study_file("settings.yaml")),
        records=registered_cases(),
        shared=shared_split_file(),
    output:
        "results/studies/{study}/splits.json",
    log:
        "results/studies/{study}/logs/split.log",
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        registered=registered_folder,
        depends_on=of_stage("split"),
    shell:
        "remodal split --settings {input.settings} --registered {params.registered}"
        " --output {output} > {log} 2>&1"
