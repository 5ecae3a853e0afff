"""Segmenting cases of a study, and patients outside any study, with a trained model."""

from remodal.inference.fold import infer_fold
from remodal.inference.sliding_window import sliding_window

__all__ = ["infer_fold", "sliding_window"]
