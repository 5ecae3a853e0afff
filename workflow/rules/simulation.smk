# Simulated patients as hospitals send them: only for data sets that are simulated.


rule fetch_real_ct:
    output:
        ct="results/data/{data}/source/ct.nii.gz",
        liver="results/data/{data}/source/liver.nii.gz",
        organs="results/data/{data}/source/organs.nii.gz",
    log:
        "results/data/{data}/logs/fetch.log",
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        folder=subpath(output.ct, parent=True),
    shell:
        "remodal fetch-real-ct --output {params.folder} > {log} 2>&1"


rule simulate:
    input:
        source=simulation_source(),
    output:
        directory("results/data/{data}/scans/{case}"),
    log:
        "results/data/{data}/logs/simulate/{case}.log",
    benchmark:
        "results/data/{data}/benchmarks/simulate/{case}.tsv"
    conda:
        "../../envs/remodal.yaml"
    params:
        settings="results/data/{data}/settings.yaml",
        source=simulation_source_option(),
        quarantine=quarantine_option(),
        depends_on=of_stage("simulate"),
    shell:
        "remodal simulate --settings {params.settings} --case {wildcards.case} {params.source}"
        " {params.quarantine} --output {output} > {log} 2>&1"
