"""The mask of one image of a case, read from a label or from another study's prediction."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume
from remodal.masks.prediction import find_prediction, settings_of
from remodal.results.files import read_json, sha256
from remodal.results.paths import data_of, registered_folder
from remodal.settings import MaskSettings


@dataclass(frozen=True)
class Mask:
    """A structure of a case.

    Attributes:
        volume: bool, on its own grid; None: there is no mask.
        origin: where the mask comes from, as plain values for a record; `uses_label` is true if it
            comes from the case's own label, and `missing` says why there is none.
    """

    volume: Volume | None
    origin: dict[str, Any]


def read_mask(
    mask: MaskSettings,
    case: str,
    modality: str,
    label: Path | None,
    studies: Path,
) -> Mask:
    """Read the mask of one image.

    Args:
        mask: where it comes from.
        case: name of the case.
        modality: the image; the mask must lie in the same place.
        label: the label of that image; None: it has none.
        studies: folder of the studies' results.

    Raises:
        UserError: the other study was not run, its predictions lie elsewhere than the image, or
            none of its models may make this mask.
    """
    if mask.label:
        if label is None:
            return Mask(None, {"uses_label": True, "missing": "the image has no label"})
        volume = read_volume(label)
        origin = {"uses_label": True, "values": list(mask.label)}
        return Mask(volume.with_array(np.isin(volume.array, mask.label)), origin)
    found = find_prediction(mask.of(modality), case, studies)
    _require_in_place(mask.of(modality), case, modality, studies)
    if found.path is None:
        return Mask(None, found.origin)
    if not found.path.is_file() or sha256(found.path) != found.origin["sha256"]:
        raise UserError(
            "is missing, or not what predictions.json says",
            where=str(found.path),
            remedy=f"run study {found.origin['study']} again",
        )
    volume = read_volume(found.path)
    return Mask(volume.with_array(np.isin(volume.array, found.values)), found.origin)


def _require_in_place(mask: MaskSettings, case: str, modality: str, studies: Path) -> None:
    """Require that the predictions lie where the image does.

    Raises:
        UserError: their study moved the image onto another's grid.
    """
    settings = settings_of(studies / mask.study)
    folder = registered_folder(data_of(studies / mask.study, settings.data_id), case)
    try:
        details = read_json(folder / "registration.json")["details"]
    except (OSError, ValueError):
        return
    of_image = details.get(modality)
    if isinstance(of_image, dict) and of_image.get("transforms"):
        fixed = details.get("fixed", settings.registration.fixed)
        raise UserError(
            f"its study moved the {modality} image onto the {fixed} image's grid, and predicted "
            "there",
            where=f"mask of {case}, {modality}",
            expected="predictions that lie where the image does",
            remedy="predict in a study whose registration.method is `none` or `header`",
        )
