# Every modality onto the fixed one's grid, one case per job. A modality that the case lacks becomes
# an empty file: a rule has the same outputs for every case. elastix runs on one thread: with two it
# crashes, and its result depends on the number of threads.


rule register:
    input:
        records=taking_wildcards(PLAN.converted_records),
        masks=PLAN.registration_masks(),
    output:
        images=PLAN.registered_images(REGISTERED),
        record=REGISTERED / "registration.json",
        picture=REGISTERED / "registration.png",
    log:
        paths.log_file(DATA, "register", "{case}"),
    benchmark:
        paths.benchmark_file(DATA, "register", "{case}")
    conda:
        "../../envs/remodal.yaml"
    threads: 1
    params:
        settings=DATA_SETTINGS,
        converted=str(CONVERTED),
        case=taking_wildcards(PLAN.case_options),
        folder=subpath(output.record, parent=True),
        studies=paths.STUDIES,
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("register"),
    shell:
        "remodal register --settings {params.settings} --case {wildcards.case}"
        " --converted {params.converted} {params.case} {params.quarantine}"
        " --studies {params.studies} --output {params.folder} > {log} 2>&1"
