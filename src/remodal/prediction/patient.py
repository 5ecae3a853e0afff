"""Prediction for a new patient, outside any study."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from remodal.geometry.volume import Volume
from remodal.prediction.ensemble import Ensemble
from remodal.prediction.formats import is_dicom_format
from remodal.prediction.measuring import Measurement, measure
from remodal.prediction.original import original_series
from remodal.prediction.outputs import Outputs, write_outputs
from remodal.prediction.placing import Placed, on_one_grid, require_masks
from remodal.prediction.reading import chosen_target, read_images, read_masks, wanted_modalities
from remodal.prediction.restoring import entropy, segmentation
from remodal.process.progress import progress

#: Wraps the windows of a model for a progress bar, with what is said beside it.
Track = Callable[[Iterable, str], Iterable]


@dataclass(frozen=True)
class Patient:
    """Whom to segment.

    Attributes:
        images: modality to DICOM folder or image file; some of the model's may be missing.
        masks: modality to a file whose nonzero voxels are the structure by which the model's images
            were registered or cropped; needed only for such a model.
        target: the image to segment, for a model whose images each have a ground truth of their
            own; may be empty if only one image is given.
        name: pseudonym, for messages, tables and pages.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path] = field(default_factory=dict)
    target: str = ""
    name: str = "patient"


@dataclass(frozen=True)
class Prediction:
    """What was found in a patient.

    Attributes:
        segmentation: uint8 class indices, on the grid of the answered image as it is stored.
        uncertainty: float32, 0 to 1, on that grid; None if it was not asked for.
        placed: the images on the grid that they share for the model.
        answer: the image that was segmented.
        answered_by: what part of the model predicted, in words; empty if it has only one.
        classes: their names, that of index 1 first.
        structures: what is measured: indices of classes by name.
        warnings: what a reader should know of the images and the models.
    """

    segmentation: Volume
    uncertainty: Volume | None
    placed: Placed
    answer: str
    answered_by: str
    classes: Sequence[str]
    structures: Mapping[str, Sequence[int]]
    warnings: Sequence[str]

    @property
    def said(self) -> str:
        """From which images, by which part of the model, on which grid, with which values."""
        images = " + ".join(self.placed.volumes)
        by = f" by {self.answered_by}" if self.answered_by else ""
        values = ", ".join(f"{value} {name}" for value, name in enumerate(self.classes, 1))
        return f"segmented from {images}{by}, on the grid of the {self.answer} image: {values}"

    @cached_property
    def measurements(self) -> list[Measurement]:
        """Of each structure."""
        return measure(self.segmentation, self.structures)


def predict_patient(
    model: Path,
    images: Mapping[str, Path],
    output: Path,
    masks: Mapping[str, Path] | None = None,
    target: str = "",
) -> Prediction:
    """Segment one patient with one model, or with all trainings of a method, into one file.

    See `segment`, which says what is raised and printed.
    """
    patient = Patient(images, masks or {}, target)
    return segment(Ensemble([model]), patient, Outputs(Path(output)))


def segment(
    ensemble: Ensemble, patient: Patient, outputs: Outputs, track: Track = progress
) -> Prediction:
    """Segment one patient without anything else from the models' study, and write what is asked.

    From which images, by which part of the models, and on which image's grid, is said on standard
    error.

    Args:
        ensemble: the models.
        patient: whom to segment.
        outputs: what to write.
        track: wraps the windows of each model, for a progress bar.

    Raises:
        UserError: no image, an unknown modality or output format, modalities that the method cannot
            predict from, an image of another DICOM modality than the models', no mask where the
            models need one, no target where they need one, or a DICOM format for an image that is
            no DICOM series.
        BadCase: an image cannot be used.
        EnvironmentProblem: full disk, no permission.
    """
    kind = outputs.checked_format()
    order = wanted_modalities(patient.images, ensemble.description)
    target = chosen_target(patient.target, order, ensemble.description)
    answer = target or ensemble.registration.reference(order)
    series = original_series(patient.images[answer], answer) if is_dicom_format(kind) else None
    prediction = _predicted(
        ensemble, patient, order, target, outputs.uncertainty is not None, track
    )
    write_outputs(outputs, prediction, ensemble, patient.name, series)
    for line in (*ensemble.warnings(patient.name), prediction.said):
        print(f"remodal: {patient.name}: {line}", file=sys.stderr)
    return prediction


def _predicted(
    ensemble: Ensemble,
    patient: Patient,
    order: list[str],
    target: str,
    unsure: bool,
    track: Track,
) -> Prediction:
    """What the models find in a patient.

    The images are converted, brought onto one grid if there are several, prepared with the
    statistics that each model was trained with, and segmented by each; the probabilities are
    averaged. The result is brought back to the grid of the image that was asked for, as it is
    stored: the target or, where the images share one truth, the fixed modality or else the first
    image in the models' order.
    """
    masks = read_masks(patient.masks, order)
    require_masks(masks, order, ensemble.registration, ensemble.preprocessing)
    ensemble.require_support(order, target)
    sources = {name: Path(patient.images[name]) for name in order}
    images = read_images(sources, ensemble.description, patient.name)
    placed = on_one_grid(images.volumes, ensemble.registration, masks)
    answer = target or placed.reference
    sums = ensemble.summed(placed.volumes, masks.get(placed.reference), target, track)
    return Prediction(
        segmentation=segmentation(sums, placed, answer),
        uncertainty=entropy(sums, placed, answer) if unsure else None,
        placed=placed,
        answer=answer,
        answered_by=ensemble.answered_by(order, target),
        classes=list(ensemble.description["classes"]),
        structures=ensemble.structures,
        warnings=[*images.warnings, *ensemble.warnings(patient.name)],
    )
