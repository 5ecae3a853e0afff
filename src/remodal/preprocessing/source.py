"""What all folds share of a case: cropped images, labels, and the mask that it is cropped by."""

from dataclasses import dataclass
from pathlib import Path

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.nifti import read_volume
from remodal.masks.reading import Mask, read_mask
from remodal.preprocessing.labels import class_indices
from remodal.preprocessing.prepare import Cropped, crop_case
from remodal.results.records import Record, read_record, require_ok
from remodal.settings import Settings
from remodal.settings.names import label_name


@dataclass(frozen=True)
class Source:
    """A registered case, read and cropped once for all folds.

    Attributes:
        case: name of the case.
        cropped: its images.
        labels: class indices on the images' grid, by the image that a label belongs to.
        mask: the mask that it is to be cropped by; None: no mask is wanted.
    """

    case: str
    cropped: Cropped
    labels: dict[str, Volume]
    mask: Mask | None

    @property
    def warnings(self) -> list[str]:
        """What was done without a mask, in words."""
        if self.mask is None or self.cropped.properties["cropped_by"] == "mask":
            return []
        why = self.mask.origin.get("missing", "it is empty")
        return [f"cropped to the body, since there is no mask: {why}"]


def read_source(settings: Settings, registered: Path, studies: Path) -> Source:
    """Read a registered case and crop it.

    Args:
        settings: the study.
        registered: the case's folder of registered images.
        studies: folder of the studies, one of which may predict the mask that a case is cropped by.

    Raises:
        BadCase: quarantined before, images or labels on several grids, or as `crop_case`.
        UserError: as `read_mask`.
    """
    record = read_record(registered / "registration.json")
    require_ok([record])
    volumes = {
        modality: read_volume(registered / f"{modality}.nii.gz")
        for modality in record.details["modalities"]
    }
    mask = _mask(settings, record, registered, studies)
    cropped = crop_case(volumes, settings.preprocessing, mask.volume if mask else None)
    grid = next(iter(volumes.values())).geometry
    labels = {}
    for name in record.details["labels"]:
        label = read_volume(registered / f"{label_name(name)}.nii.gz")
        if not label.geometry.agrees_with(grid):
            raise BadCase(
                f"{label_name(name)} is on another grid than the images", expected="one grid"
            )
        labels[name] = class_indices(label, settings.data.classes)
    return Source(record.case, cropped, labels, mask)


def _mask(settings: Settings, record: Record, registered: Path, studies: Path) -> Mask | None:
    """The mask that the case is cropped by, in the place of the registered images."""
    wanted = settings.preprocessing.crop.mask
    if wanted is None:
        return None
    fixed = record.details["fixed"]
    truth = settings.truth_of(fixed)
    there = truth in record.details["labels"]
    label = registered / f"{label_name(truth)}.nii.gz" if there else None
    return read_mask(wanted, record.case, fixed, label, studies)
