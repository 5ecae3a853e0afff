# Every modality onto the fixed one's grid, one case per job. A modality that the case lacks becomes
# an empty file: a rule has the same outputs for every case. elastix runs on one thread: with two it
# crashes, and its result depends on the number of threads.


rule register:
    input:
        records=converted_records,
    output:
        images=[
            REGISTERED / f"{name}.nii.gz"
            for name in [*SETTINGS.data.modalities, *label_names()]
        ],
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
        case=case_options,
        folder=subpath(output.record, parent=True),
        studies=paths.STUDIES,
        masks=registration_masks,
        quarantine=quarantine_option(),
        depends_on=of_stage("register"),
    shell:
        "remodal register --settings {params.settings} --case {wildcards.case}"
        " --converted {params.converted} {params.case} {params.quarantine}"
        " --studies {params.studies} --output {params.folder} > {log} 2>&1"
