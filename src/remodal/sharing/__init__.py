"""Sharing finished results through DVC, so that Snakemake knows them again elsewhere."""
