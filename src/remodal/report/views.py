"""Where a figure's pictures come from, and one slice of one case to look at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from pathlib import Path
from typing import Any

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
from remodal.results.files import read_json
from remodal.results.paths import Training, prediction_folder, registered_folder
from remodal.settings import Settings


@dataclass(frozen=True)
class Source:
    """Where a figure's pictures come from."""

    settings: Settings
    study: Path
    data: Path

    def image(self, case: str, modality: str) -> Path:
        """A registered image."""
        return registered_folder(self.data, case) / f"{modality}.nii.gz"

    def label(self, case: str, modality: str) -> Path:
        """The ground truth of a registered image, in the values of its source."""
        return registered_folder(self.data, case) / self.settings.label_file(modality)

    def run(self, method: str, fold: int, seed: int, scenario: str) -> Path:
        """The predictions of one trained model in one scenario."""
        return prediction_folder(self.study, Training(method, fold, seed), scenario)

    def number(self, case: str, key: str) -> float:
        """A number of a case's registration record, such as `label-pet.displacement_mm`.

        NaN where the record has none.
        """
        path = registered_folder(self.data, case) / "registration.json"
        found: Any = read_json(path)["details"] if written(path) else {}
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if is_number else nan

    def case_with_most(self, cases: Iterable[str], key: str) -> str | None:
        """The case whose `number` is the largest; None where none has this number."""
        numbers = {case: self.number(case, key) for case in cases}
        known = [case for case, number in numbers.items() if not isnan(number)]
        return max(known, key=numbers.__getitem__, default=None)

    def has_images(self, case: str) -> bool:
        """Whether all images of a registered case exist, each with its ground truth."""
        named = self.settings.data.modalities
        files = [of(case, modality) for of in (self.image, self.label) for modality in named]
        return all(map(written, files))


class View:
    """One slice of one case: images, ground truth and predictions share its crop and window.

    Args:
        source: where the files are.
        case: the case.
        modality: the image whose ground truth decides which slice is shown, and which part of it.
    """

    def __init__(self, source: Source, case: str, modality: str) -> None:
        self._source, self._case = source, case
        self._data = source.settings.data
        self._images: dict[str, np.ndarray] = {}
        self._truths: dict[Path, list[np.ndarray]] = {}
        label, self._spacing = read_axial(source.label(case, modality))
        self._labelled = label > 0
        self._index = slice_of_most(self._any_truth(modality))

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

    def truth(self, modality: str) -> list[np.ndarray]:
        """Ground truth of each region of an image (z, y, x), read once."""
        path = self._source.label(self._case, modality)
        if path not in self._truths:
            label, _ = read_axial(path)
            values = map(self._data.values_of, self._data.regions)
            self._truths[path] = [np.isin(label, wanted) for wanted in values]
        return self._truths[path]

    def _any_truth(self, modality: str) -> np.ndarray:
        return np.logical_or.reduce(self.truth(modality))

    def prediction(self, folder: Path) -> list[np.ndarray]:
        """The predicted mask of each region (z, y, x)."""
        array, _ = read_axial(folder / f"{self._case}.nii.gz")
        return [np.isin(array, self._data.indices_of(region)) for region in self._data.regions]

    def left_out(self, folder: Path, modality: str) -> np.ndarray:
        """Voxels in a true region of an image but in no predicted one (z, y, x)."""
        return self._any_truth(modality) & ~np.logical_or.reduce(self.prediction(folder))

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
            arrow=self._arrow(modality),
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

    def signed_panel(
        self, values: np.ndarray, limit: float, modality: str, heading: str, description: str
    ) -> Panel:
        """A slice of a map whose zero matters, with the true outlines of an image."""
        shown = self.crop(values)
        picture = draw(
            shown,
            self._spacing[1:],
            (0, 1),
            outlines=[self.crop(mask) for mask in self.truth(modality)],
            heat=shown,
            heat_range=(-limit, limit),
            signed=True,
        )
        return Panel(picture, heading, description, f"red −{limit:.2f}, blue {limit:.2f}")

    def crop(self, values: np.ndarray) -> np.ndarray:
        """The shown part of a map (z, y, x)."""
        return values[self._index][self._box]

    def _arrow(self, modality: str) -> Arrow | None:
        shown = self._any_truth(modality)[self._index][self._box]
        return arrow_to(shown, self._spacing[1:])


def written(path: Path) -> bool:
    """Whether a file exists and has content; a quarantined case's file is empty."""
    return path.is_file() and path.stat().st_size > 0
