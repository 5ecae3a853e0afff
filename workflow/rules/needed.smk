# The studies that predict this one's masks: the same rules once more, named after the study.

if workflow.modifier.is_main_snakefile():
    for study, needed in PLAN.needed.items():
        part = module_of(study)
        ask_as_profile(part, workflow.resource_settings)

        module:
            name: part
            snakefile:
                "../../Snakefile"
            config:
                config_of(needed)

        use rule * from part as part*
