"""A run of the workflow: what it makes, what is checked before it, and what it shows.

Snakemake shows its progress through its logger plugin `remodal` (snakemake_logger_plugin_remodal),
which the default profile chooses: one line, and whatever the user must know.
"""
