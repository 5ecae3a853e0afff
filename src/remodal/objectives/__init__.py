"""Objectives: what a network is trained to minimise."""
