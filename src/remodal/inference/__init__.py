"""Segmenting cases of a study, and patients outside any study, with a trained model."""
