"""What the image files of a study's modalities are called in BIDS."""

import re
from collections.abc import Mapping

from remodal.errors import UserError
from remodal.intake.bids_names import SUFFIXES, BidsName, parse_name
from remodal.settings import Settings

#: Sequences that several papers call so.
_AFTER_CONTRAST = dict.fromkeys(("t1ce", "t1c", "t1gd"), "ce-gadolinium_T1w")
_BY_NAME = (
    {name.casefold().removesuffix("w"): name for name in SUFFIXES}
    | {name.casefold(): name for name in SUFFIXES}
    | _AFTER_CONTRAST
)
#: BIDS has no CT yet; its proposal (BEP024) has this suffix.
_CT = "ct"


def image_names(
    settings: Settings, given: Mapping[str, str], kinds: Mapping[str, str]
) -> dict[str, BidsName]:
    """The name of each modality's images without subject and session, none fitting another's.

    Args:
        settings: the study.
        given: names by modality, as `acq-spir_T2w`.
        kinds: what made the images of each modality, as `image_kinds` tells.

    Raises:
        UserError: a name that is none of BIDS, a modality that the study does not have, or one of
            which no name can be told.
    """
    for modality in given:
        if modality not in settings.data.originals:
            known = ", ".join(settings.data.originals)
            raise UserError(f"no modality `{modality}`", where="--image", expected=known)
    names = {name: _name(name, given, kinds[name]) for name in settings.data.originals}
    for modality, name in names.items():
        if any(other.fits(name) for key, other in names.items() if key != modality):
            entities = {"acq": re.sub(r"[^A-Za-z0-9]", "", modality), **name.entities}
            names[modality] = BidsName(entities, name.words)
    return names


def _name(modality: str, given: Mapping[str, str], kind: str) -> BidsName:
    try:
        if modality in given:
            return parse_name(given[modality])
    except ValueError as error:
        raise UserError(str(error), where=f"--image {modality}") from error
    if known := _BY_NAME.get(modality.casefold()):
        return parse_name(known)
    if kind == "CT":
        acquisition = re.sub(r"[^A-Za-z0-9]", "", modality)
        return parse_name(f"acq-{acquisition}_{_CT}")
    raise UserError(
        f"what the images of `{modality}` are called is not said",
        where="--image",
        expected=f"`--image {modality}=T1w`, or another suffix of BIDS: {', '.join(SUFFIXES)}",
    )
