"""What a run of the workflow shows while it goes on: one line, and what somebody must know.

Snakemake speaks to it through its logger plugin `remodal` (snakemake_logger_plugin_remodal), which
the default profile chooses.
"""
