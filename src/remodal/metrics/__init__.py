"""Metrics: overlap, surface distances, lesions, statistics; no torch."""
