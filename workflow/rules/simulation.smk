# Simulated patients as hospitals send them: only for data sets that are simulated.


rule fetch:
    output:
        directory(DATA / "source"),
    log:
        paths.log_file(DATA, "fetch"),
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=DATA_SETTINGS,
    shell:
        "remodal fetch --settings {params.settings} --output {output} > {log} 2>&1"


rule simulate:
    input:
        PLAN.fetched(),
    output:
        directory(paths.scans_folder(DATA, "{case}")),
    log:
        paths.log_file(DATA, "simulate", "{case}"),
    benchmark:
        paths.benchmark_file(DATA, "simulate", "{case}")
    conda:
        "../../envs/remodal.yaml"
    params:
        settings=DATA_SETTINGS,
        source=PLAN.data / "source",
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.simulation_depends_on(),
    shell:
        "remodal simulate --settings {params.settings} --case {wildcards.case}"
        " --source {params.source} {params.quarantine} --output {output} > {log} 2>&1"
