"""Simulated patients, written as what a scanner would send."""
