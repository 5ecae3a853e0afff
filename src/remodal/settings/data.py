"""The data set: where its cases come from and what their labels mean."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from remodal.settings.names import require_known
from remodal.settings.section import Section


class DataSettings(Section):
    """Where the cases come from and what their labels mean."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="Name of the data set's folder.")
    source: str = Field(
        "sheet",
        description="Name of a module in intake/datasets: `sheet` (your files), `phantom` "
        "(simulated patients), `real_ct` (simulated lesions in a real CT), `brats` (a folder of "
        "BraTS), `brats_phantom` (simulated patients in such a folder), `pancreas_ct` (TCIA's "
        "folder of NIH Pancreas-CT), `pancreas_phantom` (simulated patients in such a folder), "
        "`left_atrium` (a folder of the 2018 challenge), `lits` (a folder of LiTS), `msd` (a task "
        "of the Medical Segmentation Decathlon), `bids` (a folder in the Brain Imaging Data "
        "Structure), `t1t2_phantom` (simulated T1/T2 pairs of livers in such a folder), `chaos` "
        "(the MR of the CHAOS challenge), `kits` (a folder of KiTS), `amos` (the folder of AMOS), "
        "`mm_whs` (the folder of MM-WHS), `nnunet` (a raw data set of nnU-Net).",
    )
    sheet: Path | None = Field(
        None, description="Sample sheet (TSV), for source `sheet`. Example: config/samples.tsv"
    )
    folder: Path | None = Field(
        None,
        description="Folder of a data set as it is distributed, for a source that reads one, such "
        "as `brats` or `msd`.",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options by source, such as `bids: {images: {t1: T1w}}`; those of other "
        "sources than the chosen one change nothing.",
    )
    simulated: bool = Field(
        False, description="Whether the report must say the data are simulated."
    )
    description: str = Field("", description="One sentence for the report's banner.")
    details: str = Field("", description="More of it, folded away in the report's banner.")
    modalities: list[str] = Field(min_length=1, description="The modalities of a case, in order.")
    spellings: dict[str, str] = Field(
        {"adc": "ADC", "dwi": "DWI", "flair": "FLAIR", "pet": "PET", "swi": "SWI"},
        description="Words in the names of modalities, scenarios and regions, and how the report "
        "spells them, where a capital letter at the start is not enough.",
    )
    copies: dict[str, str] = Field(
        default_factory=dict,
        description="Modalities that are another one's image once more, to be registered in "
        "another way (`registration.by_modality`): name, and that other modality.",
    )
    truth: Literal["case", "fixed", "image"] = Field(
        "case",
        description="`case`: the images of a case share one truth, one label drawn on any of them; "
        "`fixed`: they share the label of the fixed image, and those of other images only serve as "
        "masks, to lay the images on each other; `image`: each image has a truth of its own.",
    )
    classes: dict[str, list[int]] = Field(
        min_length=1,
        description="Classes to segment, which exclude each other: name, and the label's values "
        "that belong to it.",
    )
    regions: dict[str, list[str]] = Field(
        default_factory=dict,
        description="What is measured and shown: name, and the classes that it is the union of; "
        "regions may overlap. Empty: each class is one.",
    )
    unlabelled: Literal["quarantine", "train"] = Field(
        "quarantine",
        description="What happens to a case without a label: it is left out and listed, or kept to "
        "`train` methods with a pool of unlabelled cases; it is never validated or tested.",
    )
    empty_label: Literal["quarantine", "keep"] = Field(
        "quarantine", description="What happens to a case whose label holds none of the classes."
    )
    flipped_label: Literal["quarantine", "keep"] = Field(
        "quarantine",
        description="What happens to a case of CT (`registration.body_threshold` is set, and DICOM "
        "names no other modality) whose label lies mostly outside the body, or on several kinds of "
        "tissue (less than 80 % on one) where a flip of it would lie on one (more than 85 %). "
        "Fatty tissue, and gas that an organ holds, are no kinds of their own. If kept, the report "
        "warns of it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _each_class_is_a_region(cls, content: Any) -> Any:
        if isinstance(content, dict) and not content.get("regions"):
            classes = content.get("classes")
            if isinstance(classes, dict):
                return content | {"regions": {name: [name] for name in classes}}
        return content

    @model_validator(mode="after")
    def _classes_exclude_each_other(self) -> "DataSettings":
        owner: dict[int, str] = {}
        for name, values in self.classes.items():
            if not values or min(values) < 1:
                raise ValueError(
                    f"classes: `{name}` is {values}; it needs values of the label, from 1 on "
                    "(0 is the background)"
                )
            for value in values:
                if value in owner:
                    raise ValueError(
                        f"classes: the value {value} is in `{owner[value]}` and in `{name}`, but "
                        "classes exclude each other; give each value to one class, and name their "
                        "unions under data.regions"
                    )
                owner[value] = name
        return self

    @model_validator(mode="after")
    def _regions_are_unions_of_classes(self) -> "DataSettings":
        for name, classes in self.regions.items():
            if not classes:
                raise ValueError(
                    f"regions: `{name}` is empty; name the classes that it consists of"
                )
            require_known(f"regions.{name}", classes, self.classes)
            if name in self.classes and classes != [name]:
                raise ValueError(
                    f"regions: `{name}` is the name of a class and stands for {classes}; give the "
                    "region another name"
                )
        return self

    @model_validator(mode="after")
    def _copies_are_of_images(self) -> "DataSettings":
        for name, original in self.copies.items():
            require_known("copies", [name], self.modalities)
            require_known(f"copies.{name}", [original], self.originals)
        return self

    @property
    def originals(self) -> list[str]:
        """The modalities that the data set has itself, in order: all but copies."""
        return [name for name in self.modalities if name not in self.copies]

    def original(self, modality: str) -> str:
        """The modality whose converted image and label a modality has: its own, if no copy."""
        return self.copies.get(modality, modality)

    def values_of(self, region: str) -> list[int]:
        """The label's values that belong to a region."""
        return [value for name in self.regions[region] for value in self.classes[name]]

    def indices_of(self, region: str) -> list[int]:
        """The indices of a region's classes in a prediction, where the first class is 1."""
        order = list(self.classes)
        return [order.index(name) + 1 for name in self.regions[region]]
