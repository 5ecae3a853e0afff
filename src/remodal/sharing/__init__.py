"""Sharing finished results through DVC, so that Snakemake recognises them elsewhere."""
