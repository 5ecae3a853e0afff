#!/usr/bin/env bash
# Snakemake runs this in the new conda environment, in the repository: the project itself.
set -euo pipefail
python -m pip install --quiet --no-deps --no-build-isolation --editable .
