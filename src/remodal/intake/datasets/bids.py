"""A data set in the Brain Imaging Data Structure (BIDS), with labels in its `derivatives`."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from remodal.errors import UserError
from remodal.intake.bids import EXPECTED, BidsCase, Wanted, find_cases, read_groups
from remodal.intake.bids_names import SUFFIXES, parse_name
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder
from remodal.intake.label_source import parse_label
from remodal.intake.source_options import source_options
from remodal.settings.section import Section

if TYPE_CHECKING:
    from remodal.settings import Settings


#: What modalities are called by BIDS.
_SUFFIXES = {name.casefold().removesuffix("w"): name for name in SUFFIXES} | {
    name.casefold(): name for name in SUFFIXES
}


class Options(Section):
    """What the files of a BIDS folder are called (`data.options.bids`)."""

    images: dict[str, str] = Field(
        default_factory=dict,
        description="What the file names of each modality's images hold: the suffix, and entities "
        "where several files have it, as `{t1: ce-portal_T1w, t2: acq-spir_T2w}`. A modality that "
        "is not named has the suffix of its own name: `t1` is `T1w`, `flair` is `FLAIR`. "
        "A session or run that is named tells no cases apart: `{t1: ses-1_T1w, t2: ses-2_T2w}` "
        "makes one case of both.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="What the file names of each modality's labels hold, as `{t2: "
        "space-T2w_desc-manual_dseg}`; of several files with a value for each, "
        "`1=label-liver_mask; 2=label-lesion_mask`. Modalities that are not named have none. "
        "Empty: the label of an image is the `mask` or `dseg` that is named as the image, with "
        "more parts (`sub-01_T2w_label-liver_mask`, `sub-01_space-T2w_dseg`).",
    )
    pipeline: Path | None = Field(
        None,
        description="The folder of the labels: its name in `derivatives`, or a path. Empty: all in "
        "`derivatives`.",
    )
    group: str = Field(
        "", description="Column of participants.tsv that is the group of a subject; empty: none."
    )

    @field_validator("images")
    @classmethod
    def _images_are_names(cls, images: dict[str, str]) -> dict[str, str]:
        for text in images.values():
            parse_name(text)
        return images

    @field_validator("labels")
    @classmethod
    def _labels_are_names(cls, labels: dict[str, str]) -> dict[str, str]:
        for text in labels.values():
            for file in parse_label(text).files:
                parse_name(str(file))
        return labels


def cases(settings: "Settings") -> list[CaseSource]:
    """The subjects of the folder `data.folder`, a case for each session and run.

    Labels that the folder has of some images only are the case's labels.

    Raises:
        UserError: no folder is named, it holds none of the images, options name modalities that
            the study does not have, or several files may be one image or label.
        EnvironmentProblem: the folder may not be read.
    """
    folder = named_folder(settings, EXPECTED)
    found = find_cases(folder, wanted_of(settings))
    column = source_options(settings, "bids").group
    groups = read_groups(folder, column) if column else {}
    return [case_source(case, groups.get(case.patient, "")) for case in found]


def wanted_of(settings: "Settings") -> Wanted:
    """What a study takes from a BIDS folder.

    Raises:
        UserError: options name modalities that the study does not have, or it has one of which no
            name can be told.
    """
    options = source_options(settings, "bids")
    modalities = settings.data.modalities
    for key in ("images", "labels"):
        for modality in getattr(options, key):
            if modality not in modalities:
                raise UserError(
                    f"`{modality}` is no modality of this study",
                    where=f"data.options.bids.{key}",
                    expected=f"one of {', '.join(modalities)}",
                )
    images = {name: options.images.get(name) or _suffix_of(name) for name in modalities}
    return Wanted(images, options.labels, options.pipeline)


def case_source(case: BidsCase, group: str = "") -> CaseSource:
    """A case of a BIDS folder as a case of a study."""
    return CaseSource(case.name, case.patient, group, case.images, case.labels)


def _suffix_of(modality: str) -> str:
    """The suffix that a modality has by its name."""
    if known := _SUFFIXES.get(modality.casefold()):
        return known
    if not modality.isalnum():
        raise UserError(
            f"what the images of `{modality}` are called is not said",
            where="data.options.bids.images",
            expected=f"`{modality}: T1w`, or what their names hold",
        )
    return modality
