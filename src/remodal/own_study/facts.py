"""What is known of a data set before its study is written."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from remodal.counting import counted
from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.own_study.survey import SeenCase, SeenImage

#: A box of the non-zero voxels smaller than this share of the image: skull-stripped, as nnU-Net.
_STRIPPED = 0.75

#: A spacing this many times another one is that of thick slices, as in nnU-Net's planning.
_THICK = 3.0


@dataclass(frozen=True)
class Facts:
    """A data set: its cases, what was seen of them, and how a study names it.

    Attributes:
        name: of the study and of the data set.
        source: the settings that name it, such as `{source: sheet, sheet: ...}`.
        modalities: in the order in which they appear.
        cases: all of them.
        seen: what was seen of those that can be used.
    """

    name: str
    source: Mapping[str, object]
    modalities: Sequence[str]
    cases: Sequence[CaseSource]
    seen: Sequence[SeenCase]

    @property
    def truth(self) -> str:
        """`image` if some case has labels of several images, which may differ; else `case`."""
        return "image" if any(len(case.labels) > 1 for case in self.cases) else "case"

    @property
    def patients(self) -> int:
        """Patients with a label."""
        return len({case.patient for case in self.cases if case.labels})

    @property
    def complete(self) -> int:
        """Patients with a label and all images."""
        whole = (c for c in self.cases if c.labels and len(c.images) == len(self.modalities))
        return len({case.patient for case in whole})

    @property
    def unlabelled(self) -> int:
        """Cases without a label."""
        return sum(not case.labels for case in self.cases)

    @property
    def groups(self) -> dict[str, int]:
        """How many cases each group has; empty: no case has one."""
        found = Counter(case.group for case in self.cases)
        return dict(found.most_common()) if set(found) != {""} else {}

    @property
    def fixed(self) -> str:
        """The modality on which most labels were drawn."""
        drawn = Counter(name for case in self.cases for name in case.labels)
        return max(self.modalities, key=lambda name: drawn[name])

    @cached_property
    def images(self) -> dict[str, list[SeenImage]]:
        """The images that were seen, by modality."""
        return {
            name: [case.images[name] for case in self.seen if name in case.images]
            for name in self.modalities
        }

    @property
    def kinds(self) -> dict[str, str]:
        """`CT`, `MR` ... for each modality, as most of its images are."""
        found = {name: [one.kind for one in images] for name, images in self.images.items()}
        return {name: Counter(kinds).most_common(1)[0][0] for name, kinds in found.items() if kinds}

    @property
    def by_tag(self) -> bool:
        """Whether every file says what made it."""
        return all(one.by_tag for images in self.images.values() for one in images)

    @property
    def of_ct(self) -> bool:
        """Whether all images are CT."""
        return set(self.kinds.values()) == {"CT"}

    @property
    def with_ct(self) -> bool:
        """Whether some images are CT."""
        return "CT" in self.kinds.values()

    @property
    def stripped(self) -> bool:
        """Whether images are zero around the organ, as skull-stripped brains are."""
        return float(np.median([one.kept for i in self.images.values() for one in i])) < _STRIPPED

    @property
    def apart(self) -> int:
        """Cases whose images lie on different grids."""
        return sum(not case.one_grid for case in self.seen)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Median (z, y, x) in mm of the images that are fixed, or of all if there is none."""
        images = self.images[self.fixed] or [one for i in self.images.values() for one in i]
        z, y, x = np.median([one.spacing for one in images], axis=0).tolist()
        return z, y, x

    @property
    def thick(self) -> bool:
        """Whether slices are thick: their distance is far above the size of a pixel."""
        return max(self.spacing) > _THICK * min(self.spacing)

    def classes(self) -> dict[str, list[int]]:
        """A class for each value of the labels, by the name in the files or else by its number.

        Raises:
            UserError: no label holds any value but 0.
        """
        values = sorted(set().union(*(case.values for case in self.seen)))
        if not values:
            raise UserError(
                f"the labels of the {counted(len(self.seen), 'case')} hold nothing",
                where="init",
                expected="a label of the structures to segment in some case",
                remedy="name labels in the sheet's column `label`",
            )
        names = {value: name for case in reversed(self.seen) for value, name in case.names.items()}
        found: dict[str, list[int]] = {}
        for value in values:
            found.setdefault(class_name(names.get(value, ""), value), []).append(value)
        return found

    def with_class(self, values: Sequence[int]) -> tuple[int, int]:
        """How many cases have some of these values in their labels, and how many have labels."""
        labelled = [case.values for case in self.seen if case.labelled]
        return sum(not found.isdisjoint(values) for found in labelled), len(labelled)


def class_name(name: str, value: int) -> str:
    """A name for a class: letters, digits and `_`; without any, `class_` and the value."""
    usable = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return usable or f"class_{value}"


def sheet_source(sheet: Path) -> dict[str, object]:
    """The settings of a data set that a sheet lists."""
    return {"source": "sheet", "sheet": str(sheet)}
