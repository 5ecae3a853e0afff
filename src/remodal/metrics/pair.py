"""A prediction beside its ground truth: what the metrics of one case and region start from."""

from collections.abc import Sequence
from functools import cached_property
from math import prod

import numpy as np

from remodal.geometry.components import largest_component
from remodal.metrics.lesions import LesionCounts, MatchedLesions, TrueLesion, match_lesions
from remodal.metrics.overlap import Overlap, overlap
from remodal.metrics.surface import SurfaceDistances, surface, surface_distances


class MaskPair:
    """Two masks of one region, cropped to the box around both; each step is computed only once.

    Args:
        prediction: boolean (z, y, x).
        truth: boolean, the same shape.
        spacing: voxel size (z, y, x) in mm.

    Raises:
        ValueError: the shapes differ.
    """

    def __init__(self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> None:
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {prediction.shape}, ground truth {truth.shape}")
        box = _union_box(prediction, truth)
        self.prediction = np.ascontiguousarray(prediction[box], dtype=bool)
        self.truth = np.ascontiguousarray(truth[box], dtype=bool)
        self.spacing = tuple(float(length) for length in spacing)
        self._matched: dict[float, MatchedLesions] = {}

    @cached_property
    def overlap(self) -> Overlap:
        """Voxel counts."""
        return overlap(self.prediction, self.truth)

    @cached_property
    def voxel_distances(self) -> SurfaceDistances:
        """Surface distances on a grid of unit spacing, which is what "in voxels" means."""
        return surface_distances(*self._surfaces, (1.0,) * self.truth.ndim)

    @cached_property
    def mm_distances(self) -> SurfaceDistances:
        """Surface distances in mm."""
        if len(set(self.spacing)) == 1:
            return self.voxel_distances.scaled(self.spacing[0])
        return surface_distances(*self._surfaces, self.spacing)

    @cached_property
    def _surfaces(self) -> tuple[np.ndarray, np.ndarray]:
        return surface(self.prediction), surface(self.truth)

    @cached_property
    def largest(self) -> "MaskPair":
        """The prediction's largest component beside the truth; this pair if that is all of it."""
        component = largest_component(self.prediction)
        if component is self.prediction:
            return self
        return MaskPair(component, self.truth, self.spacing)

    def lesions(self, threshold: float) -> LesionCounts:
        """Lesion-wise detection at an intersection over union of `threshold`."""
        return self._match(threshold).counts

    def true_lesions(self, threshold: float) -> list[TrueLesion]:
        """The lesions of the truth, and which of them were found."""
        return self._match(threshold).true_lesions(prod(self.spacing))

    def _match(self, threshold: float) -> MatchedLesions:
        if threshold not in self._matched:
            self._matched[threshold] = match_lesions(self.prediction, self.truth, threshold)
        return self._matched[threshold]


def _union_box(first: np.ndarray, second: np.ndarray) -> tuple[slice, slice, slice]:
    """Smallest box that holds both masks; an empty box when both are empty."""
    slices = _extent(first.any(axis=(1, 2)) | second.any(axis=(1, 2)))
    plane = first[slices].any(axis=0) | second[slices].any(axis=0)
    return slices, _extent(plane.any(axis=1)), _extent(plane.any(axis=0))


def _extent(used: np.ndarray) -> slice:
    positions = np.flatnonzero(used)
    return slice(positions[0], positions[-1] + 1) if positions.size else slice(0, 0)
