"""`snakemake`, but it asks Slurm for news every second, and not ever more seldom."""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)

main(sys.argv[1:])
