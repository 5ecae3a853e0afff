# The effective settings, which every stage reads. `ancient` keeps a rewritten file from running
# everything again: each rule carries what it reads as `depends_on`.


rule settings:
    output:
        "results/studies/{study}/settings.yaml",
    log:
        "results/studies/{study}/logs/settings.log",
    localrule: True
    conda:
        "../../envs/remodal.yaml"
    params:
        config=json.dumps(config, sort_keys=True),
        digest=settings_digest(SETTINGS),
    shell:
        "remodal settings --config {params.config:q} --output {output} > {log} 2>&1"
