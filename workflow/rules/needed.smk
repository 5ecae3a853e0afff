# The studies that predict this one's masks: the same rules once more, named after the study.

if workflow.modifier.is_main_snakefile():
    ask_as_profile(list(map(module_of, PLAN.needed)), workflow.resource_settings)
    for study, needed in PLAN.needed.items():
        part = module_of(study)

        module:
            name: part
            snakefile:
                "../../Snakefile"
            config:
                config_of(needed)

        use rule * from part as part*

    group_as_profile(workflow)
