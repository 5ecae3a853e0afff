# From what the hospital sends to NIfTI, one image per job.


rule convert:
    input:
        simulated_scans,
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
        image=image_source,
        state=image_state,
        quarantine=quarantine_option(),
        depends_on=of_stage("convert"),
    shell:
        "remodal convert {params.image:q} --case {wildcards.case} --modality {wildcards.modality}"
        " {params.quarantine} --indexed {params.state:q} --output {output.image}"
        " --record {output.record} > {log} 2>&1"


rule convert_label:
    input:
        simulated_scans,
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
        label=label_source,
        options=label_options,
        state=label_state,
        quarantine=quarantine_option(),
        depends_on=of_stage("convert"),
    shell:
        "remodal convert-label {params.label} {params.options} --case {wildcards.case}"
        " --drawn-on {wildcards.modality} --reference {input.reference}"
        " --reference-record {input.reference_record} {params.quarantine} --indexed {params.state:q}"
        " --output {output.label} --record {output.record} > {log} 2>&1"
