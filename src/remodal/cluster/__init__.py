"""Runs on a Slurm cluster: what it says of their jobs, and what that means."""
