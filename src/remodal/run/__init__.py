"""What a run of the workflow shows while it goes on: one line, and whatever the user must know.

Snakemake calls it through its logger plugin `remodal` (snakemake_logger_plugin_remodal), which
the default profile chooses.
"""
