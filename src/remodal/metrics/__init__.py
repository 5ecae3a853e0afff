"""Metrics: overlap, surface distances, lesions, statistics; numpy only."""
