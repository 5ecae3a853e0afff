"""What is written of a patient: segmentation, uncertainty, measurements, a page."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.geometry.volume import Volume
from remodal.intake.nifti import write_volume
from remodal.prediction.ensemble import Ensemble
from remodal.prediction.formats import format_of, require_image
from remodal.prediction.measuring import as_rows, write_measurements
from remodal.prediction.original import OriginalSeries
from remodal.prediction.writing import write_segmentation

if TYPE_CHECKING:
    from remodal.prediction.patient import Prediction


@dataclass(frozen=True)
class Outputs:
    """Files to write.

    Attributes:
        segmentation: class indices; the name's end says as what (see `formats`).
        uncertainty: map of the normalised entropy, as an image of voxels.
        measurements: table (CSV).
        report: page (HTML).
    """

    segmentation: Path
    uncertainty: Path | None = None
    measurements: Path | None = None
    report: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files that are written."""
        wanted = (self.segmentation, self.uncertainty, self.measurements, self.report)
        return [file for file in wanted if file]

    def checked_format(self) -> str:
        """What the segmentation is written as (`format_of`).

        Raises:
            UserError: a file's name says no format.
        """
        if self.uncertainty:
            require_image(self.uncertainty)
        return format_of(self.segmentation)


def write_outputs(
    outputs: Outputs,
    prediction: "Prediction",
    ensemble: Ensemble,
    case: str,
    series: OriginalSeries | None,
) -> None:
    """Write all files.

    Args:
        outputs: the files.
        prediction: what was found.
        ensemble: the models that found it.
        case: pseudonym, in the table and on the page.
        series: slices of the segmented image; needed for a DICOM format only.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    write_segmentation(outputs.segmentation, prediction.segmentation, ensemble.origin, series)
    if outputs.uncertainty and prediction.uncertainty:
        write_volume(outputs.uncertainty, prediction.uncertainty)
    if outputs.measurements:
        write_measurements(outputs.measurements, as_rows(case, prediction.measurements))
    if outputs.report:
        _write_page(outputs.report, prediction, ensemble, case)


def _write_page(path: Path, prediction: "Prediction", ensemble: Ensemble, case: str) -> None:
    from remodal.prediction.page import Findings, write_page  # matplotlib takes a second

    images = prediction.placed.volumes
    outside = ensemble.registration.outside
    shown: dict[str, Volume] = {
        name: prediction.placed.back(image, prediction.answer, outside=outside)
        for name, image in images.items()
    }
    facts = {"segmentation": prediction.said.removeprefix("segmented ")} | ensemble.facts
    findings = Findings(
        case=case,
        classes=list(ensemble.description["classes"]),
        segmentation=prediction.segmentation,
        images=shown,
        missing=[name for name in ensemble.description["modalities"] if name not in images],
        uncertainty=prediction.uncertainty,
        measurements=prediction.measurements,
        facts=facts,
        warnings=prediction.warnings,
    )
    write_page(path, findings)
