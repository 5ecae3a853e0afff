# Every modality onto the fixed one's grid, one case per job. A modality that the case lacks becomes
# an empty file: a rule has the same outputs for every case. elastix runs on one thread: with two it
# crashes, and its result depends on the number of threads.


rule register:
    input:
        records=converted_records,
    output:
        images=expand(
            "results/data/{{data}}/registered/{{case}}/{name}.nii.gz",
            name=[*SETTINGS.data.modalities, *label_names()],
        ),
        record="results/data/{data}/registered/{case}/registration.json",
        picture="results/data/{data}/registered/{case}/registration.png",
    log:
        "results/data/{data}/logs/register/{case}.log",
    benchmark:
        "results/data/{data}/benchmarks/register/{case}.tsv"
    conda:
        "../../envs/remodal.yaml"
    threads: 1
    params:
        settings="results/data/{data}/settings.yaml",
        converted="results/data/{data}/converted/{case}",
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
