# From what the hospital sends to NIfTI, one image per job.


rule convert:
    input:
        taking_wildcards(PLAN.simulated_scans),
    output:
        image=CONVERTED / "{modality}.nii.gz",
        record=CONVERTED / "{modality}.json",
    log:
        paths.log_file(DATA, "convert", "{case}", "{modality}"),
    benchmark:
        paths.benchmark_file(DATA, "convert", "{case}", "{modality}")
    conda:
        "../../envs/remodal.yaml"
    params:
        image=taking_wildcards(PLAN.image_source),
        state=taking_wildcards(PLAN.image_state),
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("convert"),
    shell:
        "remodal convert {params.image:q} --case {wildcards.case} --modality {wildcards.modality}"
        " {params.quarantine} --indexed {params.state:q} --output {output.image}"
        " --record {output.record} > {log} 2>&1"


rule convert_label:
    input:
        taking_wildcards(PLAN.simulated_scans),
        reference=CONVERTED / "{modality}.nii.gz",
        reference_record=CONVERTED / "{modality}.json",
    output:
        label=CONVERTED / "label-{modality}.nii.gz",
        record=CONVERTED / "label-{modality}.json",
    log:
        paths.log_file(DATA, "convert-label", "{case}", "{modality}"),
    conda:
        "../../envs/remodal.yaml"
    params:
        label=taking_wildcards(PLAN.label_source),
        options=taking_wildcards(PLAN.label_options),
        state=taking_wildcards(PLAN.label_state),
        quarantine=PLAN.quarantine_option,
        depends_on=PLAN.depends_on("convert"),
    shell:
        "remodal convert-label {params.label} {params.options} --case {wildcards.case}"
        " --drawn-on {wildcards.modality} --reference {input.reference}"
        " --reference-record {input.reference_record} {params.quarantine} --indexed {params.state:q}"
        " --output {output.label} --record {output.record} > {log} 2>&1"
