"""A case as it was converted: where its images and labels are read from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.acquisition import acquisition
from remodal.intake.nifti import read_geometry, read_volume
from remodal.results.records import Record, read_record, require_ok
from remodal.settings import DataSettings
from remodal.settings.names import label_name


@dataclass(frozen=True)
class ConvertedCase:
    """The converted images and labels of a case.

    A copy (`data.copies`) is read from what its original was converted to, and so is its label.

    Attributes:
        name: the case.
        folder: of its converted files.
        data: the study's, for the copies.
    """

    name: str
    folder: Path
    data: DataSettings

    def image_file(self, modality: str) -> Path:
        """The file of an image."""
        return self.folder / f"{self.data.original(modality)}.nii.gz"

    def label_file(self, drawn_on: str) -> Path:
        """The file of the label that was drawn on an image."""
        return self.folder / f"{label_name(self.data.original(drawn_on))}.nii.gz"

    def image(self, modality: str) -> Volume:
        """An image."""
        return read_volume(self.image_file(modality))

    def kind(self, modality: str) -> str:
        """DICOM's Modality of an image; empty if what it was converted from does not say."""
        record = read_record(self.folder / f"{self.data.original(modality)}.json")
        return str(acquisition(record.details)["modality"])

    def label(self, drawn_on: str) -> Volume:
        """The label that was drawn on an image."""
        return read_volume(self.label_file(drawn_on))

    def geometry(self, modality: str) -> Geometry:
        """The grid of an image."""
        return read_geometry(self.image_file(modality))

    def records(self, present: Iterable[str], drawn_on: Iterable[str]) -> dict[str, Record]:
        """The records of its images and labels, by the names of their files.

        Args:
            present: the images that it has.
            drawn_on: those of them that have a label.

        Raises:
            BadCase: an image or label was quarantined, or is missing.
        """
        images, drawn = (dict.fromkeys(map(self.data.original, n)) for n in (present, drawn_on))
        wanted = {name: f"the {name} image" for name in images}
        wanted |= {label_name(name): f"the label of the {name} image" for name in drawn}
        found = {name: self.folder / f"{name}.json" for name in wanted}
        records = {name: read_record(path) for name, path in found.items() if path.is_file()}
        require_ok(records.values())
        for name, said in wanted.items():
            if name not in records:
                raise BadCase(
                    f"{said} is missing",
                    where=self.name,
                    expected=", ".join(wanted.values()),
                    remedy="convert it, or correct the sample sheet",
                )
        return records
