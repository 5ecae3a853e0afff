"""Segmenting cases of a study, and patients outside any study, with a trained model."""

from remodal.inference.fold import infer_fold
from remodal.inference.patient import predict_patient
from remodal.inference.sliding_window import sliding_window

__all__ = ["infer_fold", "predict_patient", "sliding_window"]
