"""`python -m remodal` is the `remodal` command."""

from remodal.cli import main

main()
