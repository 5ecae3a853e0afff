"""Where a figure's pictures come from, and one slice of one case to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from remodal.report.slices import (
    Arrow,
    Box,
    Panel,
    arrow_to,
    box_around,
    draw,
    grey_range,
    is_ct,
    read_axial,
    slice_of_most,
)
from remodal.results.paths import Training, prediction_folder
from remodal.settings import Settings


@dataclass(frozen=True)
class Source:
    """Where a figure's pictures come from."""

    settings: Settings
    study: Path
    data: Path

    def image(self, case: str, modality: str) -> Path:
        """A registered image."""
        return self.data / "registered" / case / f"{modality}.nii.gz"

    def label(self, case: str) -> Path:
        """The ground truth of a registered case's fixed image, in the values of its source."""
        file = self.settings.label_file(self.settings.registration.fixed)
        return self.data / "registered" / case / file

    def run(self, method: str, fold: int, seed: int, scenario: str) -> Path:
        """The predictions of one trained model in one scenario."""
        return prediction_folder(self.study, Training(method, fold, seed), scenario)

    def has_images(self, case: str) -> bool:
        """Whether a case's label and all its registered images are there."""
        images = (self.image(case, modality) for modality in self.settings.data.modalities)
        return all(written(path) for path in (self.label(case), *images))

    def title(self, method: str) -> str:
        """The method's name in the tables."""
        return self.settings.methods[method].label or method


class View:
    """One slice of one case: images, ground truth and predictions share its crop and window."""

    def __init__(self, source: Source, case: str) -> None:
        self._source, self._case = source, case
        self._data = source.settings.data
        label, self._spacing = read_axial(source.label(case))
        self._labelled = label > 0
        self._truths = [
            np.isin(label, self._data.values_of(region)) for region in self._data.regions
        ]
        self._truth = np.logical_or.reduce(self._truths)
        self._index = slice_of_most(self._truth)
        self._images: dict[str, np.ndarray] = {}

    def image(self, modality: str) -> np.ndarray:
        """A modality of the case (z, y, x), read once."""
        if modality not in self._images:
            self._images[modality], _ = read_axial(self._source.image(self._case, modality))
        return self._images[modality]

    def image_panel(self, modality: str) -> Panel:
        """A modality's slice without an outline."""
        heading = "CT image" if is_ct(self.image(modality)) else "Image"
        return self.panel(
            modality,
            heading,
            f"{modality} image of case {self._case}; an arrow marks the largest true object",
        )

    @cached_property
    def _box(self) -> Box:
        seen = self._labelled[self._index]
        return box_around(seen, self._spacing[1:])

    def look_at(self, mask: np.ndarray) -> None:
        """Move to the slice that holds most of a mask (unchanged when it is empty)."""
        if mask.any():
            self._index = slice_of_most(mask)
            self.__dict__.pop("_box", None)

    def truth(self) -> list[np.ndarray]:
        """Ground truth of each region (z, y, x)."""
        return self._truths

    def prediction(self, folder: Path) -> list[np.ndarray]:
        """The predicted mask of each region (z, y, x)."""
        array, _ = read_axial(folder / f"{self._case}.nii.gz")
        return [np.isin(array, self._data.indices_of(region)) for region in self._data.regions]

    def left_out(self, folder: Path) -> np.ndarray:
        """What is in a true region and in no predicted one (z, y, x)."""
        return self._truth & ~np.logical_or.reduce(self.prediction(folder))

    def panel(
        self,
        modality: str,
        heading: str,
        description: str,
        *,
        outlines: Sequence[np.ndarray] = (),
        note: str = "",
    ) -> Panel:
        """A modality's slice, with outlines of masks, and an arrow to the largest true object."""
        image = self.image(modality)
        picture = draw(
            image[self._index][self._box],
            self._spacing[1:],
            grey_range(image),
            outlines=[mask[self._index][self._box] for mask in outlines],
            arrow=self._arrow,
        )
        return Panel(picture, heading, description, note)

    def map_panel(
        self, values: np.ndarray, limits: tuple[float, float], heading: str, description: str
    ) -> Panel:
        """A heat map's slice."""
        shown = values[self._index][self._box]
        picture = draw(shown, self._spacing[1:], (0, 1), heat=shown, heat_range=limits)
        note = f"dark {limits[0]:.2f}, bright {limits[1]:.2f}"
        return Panel(picture, heading, description, note)

    def crop(self, values: np.ndarray) -> np.ndarray:
        """The shown part of a map (z, y, x)."""
        return values[self._index][self._box]

    @property
    def _arrow(self) -> Arrow | None:
        return arrow_to(self._truth[self._index][self._box], self._spacing[1:])


def written(path: Path) -> bool:
    """Whether a file is there; a quarantined case's is empty."""
    return path.is_file() and path.stat().st_size > 0
