"""Masks of a structure, from a case's own label or from the predictions of another study."""
