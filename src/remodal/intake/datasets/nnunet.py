"""A raw data set of nnU-Net, version 1 or 2: `nnUNet_raw/Dataset001_Name`."""

from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, require_images_of
from remodal.intake.label_source import LabelSource
from remodal.intake.nnunet import EXPECTED, RawCase, RawDataset, read_dataset

if TYPE_CHECKING:
    from remodal.settings import Settings


def cases(settings: "Settings") -> list[CaseSource]:
    """The cases of the folder `data.folder`, by their names.

    The modalities are the channels, in lower case (`ct_0` and `ct_1` if both are called CT). A case
    of imagesTs counts if it has a label in labelsTs, or if `data.unlabelled` is `train`.

    Raises:
        UserError: no folder is named, it is none of nnU-Net, or the study wants a modality or a
            value of the label that there is not.
    """
    raw = read_dataset(named_folder(settings, EXPECTED))
    require_images_of(settings, raw.channels, raw.folder.name)
    known = sorted(raw.classes.values())
    for name, values in settings.data.classes.items():
        if unknown := [value for value in values if value not in known]:
            raise UserError(
                f"`{name}` is {unknown[0]}, which no label of {raw.folder.name} holds",
                where="data.classes",
                expected=f"one of {', '.join(map(str, known))}",
            )
    unlabelled = settings.data.unlabelled == "train"
    wanted = [*raw.training, *(case for case in raw.test if case.label or unlabelled)]
    return [_case(case, raw, settings) for case in sorted(wanted, key=lambda case: case.name)]


def _case(case: RawCase, raw: RawDataset, settings: "Settings") -> CaseSource:
    """A case with the images that are there; if none is, with those that should be."""
    paths = dict(zip(raw.channels, case.images))
    wanted = {name: paths[name] for name in settings.data.modalities}
    images = {name: path for name, path in wanted.items() if path.is_file()} or wanted
    labels = {}
    if case.label:
        values = tuple((value, value) for value in sorted(raw.classes.values()))
        drawn_on = settings.registration.reference(images)
        labels[drawn_on] = LabelSource((case.label,), renumbered=values)
    patient = raw.patients.get(case.name, case.name)
    return CaseSource(case.name, patient, raw.groups.get(case.name, ""), images, labels)
