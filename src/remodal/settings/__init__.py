"""Typed settings: one model per section, from which the checks and config/README.md come."""

from remodal.settings.data import DataSettings, PhantomSettings
from remodal.settings.evaluation import InferenceSettings, MetricsSettings, TrackingSettings
from remodal.settings.preparation import PreprocessingSettings, RegistrationSettings, SplitSettings
from remodal.settings.section import Section
from remodal.settings.study import Settings
from remodal.settings.tables import Cell, ClaimSettings, MethodSettings, RowSettings, TableSettings
from remodal.settings.training import AugmentationSettings, NetworkSettings, TrainingSettings

__all__ = [
    "AugmentationSettings",
    "Cell",
    "ClaimSettings",
    "DataSettings",
    "InferenceSettings",
    "MethodSettings",
    "MetricsSettings",
    "NetworkSettings",
    "PhantomSettings",
    "PreprocessingSettings",
    "RegistrationSettings",
    "RowSettings",
    "Section",
    "Settings",
    "SplitSettings",
    "TableSettings",
    "TrackingSettings",
    "TrainingSettings",
]
