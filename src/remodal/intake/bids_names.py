"""File names of the Brain Imaging Data Structure (BIDS), and what a study says about them.

`sub-01_ses-a_acq-spir_run-1_T2w.nii.gz` has entities (a key and a value) and ends in a suffix. Many
labels have the suffix of their image as a further word: `sub-01_T2w_label-liver_mask.nii.gz`.

Light (standard library only), since the Snakefile asks for the cases.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: What tells the cases of a data set apart, in the order of their names.
SUBJECT, SESSION, RUN = "sub", "ses", "run"
#: Of anatomical images, as far as studies of several modalities use them.
SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "inplaneT1", "inplaneT2", "FLAIR", "angio", "SWI")
ENDINGS = (".nii.gz", ".nii")

_PART = re.compile(r"(?:(?P<key>[A-Za-z0-9]+)-)?(?P<value>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class BidsName:
    """A name in its parts, or a part of a name that a study looks for.

    Attributes:
        entities: value of each key.
        words: what is not an entity; the last one is the suffix.
    """

    entities: Mapping[str, str]
    words: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """What kind of file it is."""
        return self.words[-1]

    def has(self, entities: Mapping[str, str]) -> bool:
        """Whether it has all these entities."""
        return entities.items() <= self.entities.items()

    def fits(self, wanted: "BidsName") -> bool:
        """Whether it has the suffix, all the words and all the entities that are wanted."""
        words = wanted.suffix == self.suffix and set(wanted.words) <= set(self.words)
        return words and self.has(wanted.entities)

    def __str__(self) -> str:
        return "_".join([*(f"{key}-{value}" for key, value in self.entities.items()), *self.words])


def parse_name(text: str) -> BidsName:
    """The parts of a name without its file ending.

    Raises:
        ValueError: it is not a name in BIDS, or has no suffix.
    """
    parts = [_PART.fullmatch(part) for part in text.split("_")]
    if not all(parts):
        raise ValueError(
            f"`{text}` is not a name in BIDS; expected entities and a suffix, such as `T1w` or "
            "`acq-spir_T2w`"
        )
    words = tuple(part["value"] for part in parts if not part["key"])
    if not words:
        raise ValueError(f"`{text}` has no suffix; expected one at its end, such as `T1w`")
    return BidsName({part["key"]: part["value"] for part in parts if part["key"]}, words)


def name_of_file(file_name: str) -> BidsName | None:
    """The parts of the name of an image file; None: it is none of a subject."""
    ending = next((end for end in ENDINGS if file_name.endswith(end)), None)
    if ending is None or not file_name.startswith(f"{SUBJECT}-"):
        return None
    try:
        return parse_name(file_name.removesuffix(ending))
    except ValueError:
        return None
