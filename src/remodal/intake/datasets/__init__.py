"""Data sets, one file each: where cases come from and what their labels mean.

A module of this folder is a data source: it defines `cases(settings) -> list[CaseSource]` and is
chosen by `data.source`; one whose cases are simulated defines `SIMULATION` too (intake.simulation),
one with options their model `Options` (intake.source_options).
Adding a data set means adding a file here, or an entry point elsewhere; nothing else is edited.
Importing a source must be light (no numpy, torch or SimpleITK), since the Snakefile does it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.extensions import Extension, available, load, require
from remodal.intake.label_source import LabelSource
from remodal.settings.names import PSEUDONYM, label_name

if TYPE_CHECKING:
    from remodal.settings import Settings

_GROUP = "remodal.datasets"


@dataclass(frozen=True)
class CaseSource:
    """One case as it comes in; paths are absolute or relative to the working directory.

    `images` maps a modality to a DICOM folder or an image file, in the order of the study's
    modalities; a modality that the case lacks is left out, but there is at least one. `labels` maps
    modalities among these to the label that was drawn on that image, and so on its grid; empty: the
    case is unlabelled. If the images share one truth (`data.truth: case`), there is at most one
    label. `copies` names the modalities among them that are another one's image and label once
    more, with that other modality; no source fills it. `group` is a stratum such as the lesion
    type, or empty. `patient` keeps the cases of one patient in one fold.
    """

    case: str
    patient: str
    group: str
    images: dict[str, Path]
    labels: dict[str, LabelSource]
    copies: dict[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, tuple[Path, ...]]:
        """The paths of its images, by modality, then of its labels, by `label_name`; no copies."""
        images = {name: (path,) for name, path in self.images.items() if name not in self.copies}
        return images | {
            label_name(name): label.files
            for name, label in self.labels.items()
            if name not in self.copies
        }

    @property
    def paths(self) -> list[Path]:
        """All paths of `sources`."""
        return [path for paths in self.sources.values() for path in paths]


def sources() -> dict[str, Extension]:
    """What `data.source` may name: the modules of this folder, and those of other packages."""
    return available(_GROUP)


def data_source(name: str, where: str = "data.source") -> ModuleType:
    """The module of a data source, which the setting `where` names.

    Raises:
        UserError: no source has this name, or it cannot be used.
    """
    return load(require(_GROUP, name, "data source", where=where), "cases")


def cases_of(settings: "Settings") -> list[CaseSource]:
    """All cases of a study's data set, from the module that `data.source` names.

    Raises:
        UserError: unknown source, wrong options, no cases at all, or a problem that the source
            finds.
    """
    # It reads the sources of this module.
    from remodal.intake.source_options import source_options

    name = settings.data.source
    for source in settings.data.options:
        source_options(settings, source)
    cases = data_source(name).cases(settings.without_copies)
    if not cases:
        raise UserError(f"data source `{name}` has no case", where="data")
    _require_names(cases)
    for case in cases:
        _require_images(case, settings.data.originals)
        require_labels(list(case.labels), settings, case.case)
    return [_with_copies(case, settings) for case in cases] if settings.data.copies else cases


def _with_copies(case: CaseSource, settings: "Settings") -> CaseSource:
    """A case with its copies, all in the order of the study's modalities.

    A copy has its original's label if each image may have a label of its own.
    """
    data = settings.data
    copies = {name: source for name, source in data.copies.items() if source in case.images}
    labels = {name: case.labels[source] for name, source in copies.items() if source in case.labels}
    both = case.images | {name: case.images[source] for name, source in copies.items()}
    return replace(
        case,
        images={name: both[name] for name in data.modalities if name in both},
        labels=case.labels | (labels if data.truth != "case" else {}),
        copies=copies,
    )


def _require_names(cases: Sequence[CaseSource]) -> None:
    """Check that names of cases and patients can be folder names and no case appears twice."""
    expected = "1 to 64 letters, digits, `_` or `-`"
    for case in cases:
        for kind, name in (("case", case.case), ("patient", case.patient)):
            if not PSEUDONYM.fullmatch(name):
                raise UserError(
                    f"`{name}` is not a valid name of a {kind}", where="data", expected=expected
                )
    for name, count in Counter(case.case for case in cases).items():
        if count > 1:
            raise UserError(f"the case is there {count} times", where=name, expected="once")


def _require_images(case: CaseSource, modalities: Sequence[str]) -> None:
    known = ", ".join(modalities)
    if not case.images:
        raise UserError(
            "the case has no image", where=case.case, expected=f"one at least of {known}"
        )
    for modality in case.images:
        if modality not in modalities:
            raise UserError(f"has a {modality} image", where=case.case, expected=f"one of {known}")
    for modality in case.labels:
        if modality not in case.images:
            raise UserError(
                f"a label was drawn on the {modality} image, which the case lacks",
                where=case.case,
                expected=f"one of {', '.join(case.images)}",
            )


def require_labels(drawn_on: Sequence[str], settings: "Settings", where: str) -> None:
    """Check that a case has no more labels than truths.

    Args:
        drawn_on: the modalities that the case's labels were drawn on.
        settings: the study.
        where: the case.

    Raises:
        UserError: several labels of images that share one truth.
    """
    if settings.data.truth == "case" and len(drawn_on) > 1:
        raise UserError(
            f"{len(drawn_on)} labels, drawn on {' and '.join(drawn_on)}",
            where=where,
            expected="one at most, as the images of a case share one truth",
            remedy="leave one, or set `data.truth: image`, or `fixed` if others serve as masks",
        )
