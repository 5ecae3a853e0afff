"""Runs on a Slurm cluster: what Slurm says about their jobs, and what that means."""
