"""Data sets, one file each: where cases come from and what their labels mean.

A module of this folder is a data source: it defines `cases(settings) -> list[CaseSource]` and is
chosen by `data.source`. Adding a data set is adding a file here; nothing else is edited. Importing
a source must be light (no numpy, torch or SimpleITK), since the Snakefile does it.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings


@dataclass(frozen=True)
class CaseSource:
    """One case as it comes in; paths are absolute or relative to the working directory.

    `images` maps a modality to a DICOM folder or an image file, in the order of the study's
    modalities; a modality that the case lacks is left out, one at least is there. `label_on` is the
    modality on whose grid the label was drawn, one of these; empty when there is no label. `group`
    is a stratum such as the lesion type, or empty. `patient` keeps the cases of one patient in one
    fold.
    """

    case: str
    patient: str
    group: str
    images: dict[str, Path]
    label: LabelSource | None
    label_on: str

    @property
    def sources(self) -> list[Path]:
        """All paths of the case: its images, then its label's."""
        return [*self.images.values(), *(self.label.files if self.label else ())]


def sources() -> list[str]:
    """Names that `data.source` may have: the modules of this folder."""
    return sorted(module.name for module in iter_modules(__path__))


def cases_of(settings: "Settings") -> list[CaseSource]:
    """All cases of a study's data set, from the module that `data.source` names.

    Raises:
        UserError: unknown source, no case at all, or what the source finds wrong.
    """
    name = settings.data.source
    if name not in sources():
        raise UserError(
            f"unknown data source `{name}`",
            where="data.source",
            expected=f"one of {', '.join(sources())}",
        )
    cases = import_module(f"{__name__}.{name}").cases(settings)
    if not cases:
        raise UserError(f"data source `{name}` has no case", where="data")
    for case in cases:
        _require_image(case)
    return cases


def _require_image(case: CaseSource) -> None:
    if not case.images:
        raise UserError("the case has no image", where=case.case, expected="one at least")
    if case.label and case.label_on not in case.images:
        raise UserError(
            f"the label was drawn on the {case.label_on} image, which the case lacks",
            where=case.case,
            expected=f"one of {', '.join(case.images)}",
        )
