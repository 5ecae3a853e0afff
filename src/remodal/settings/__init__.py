"""Typed settings: one model per section, from which the checks and config/README.md come."""

from remodal.settings.augmentation import AugmentationSettings
from remodal.settings.compute import ComputeSettings
from remodal.settings.data import DataSettings
from remodal.settings.evaluation import InferenceSettings, MetricsSettings, TrackingSettings
from remodal.settings.masks import MaskSettings
from remodal.settings.network import NetworkSettings
from remodal.settings.preparation import (
    ClipSettings,
    CropSettings,
    GridSettings,
    PreprocessingSettings,
    RegistrationSettings,
    SplitSettings,
    WaySettings,
)
from remodal.settings.recipe import RecipeSettings
from remodal.settings.scenarios import ScenarioSettings
from remodal.settings.section import Section
from remodal.settings.study import Settings
from remodal.settings.tables import (
    Cell,
    ClaimSettings,
    ColumnSettings,
    MethodSettings,
    NoiseSettings,
    RowSettings,
    Selection,
    TableSettings,
)

__all__ = [
    "AugmentationSettings",
    "Cell",
    "ClaimSettings",
    "ClipSettings",
    "ColumnSettings",
    "ComputeSettings",
    "CropSettings",
    "DataSettings",
    "GridSettings",
    "InferenceSettings",
    "MaskSettings",
    "MethodSettings",
    "MetricsSettings",
    "NetworkSettings",
    "NoiseSettings",
    "PreprocessingSettings",
    "RecipeSettings",
    "RegistrationSettings",
    "RowSettings",
    "ScenarioSettings",
    "Section",
    "Selection",
    "Settings",
    "SplitSettings",
    "TableSettings",
    "TrackingSettings",
    "WaySettings",
]
