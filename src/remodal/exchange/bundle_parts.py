"""What the configuration of an exported MONAI bundle names: preparation, windows, restoration.

They are called as MONAI's transforms and inferers are, and do what `remodal predict` does, so that
both give the same segmentation. A bundle carries remodal's code, and with it this module.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from remodal.inference.sliding_window import Step, sliding_window
from remodal.intake.nifti import write_volume
from remodal.prediction.ensemble import SummedProbabilities
from remodal.prediction.placing import on_one_grid
from remodal.prediction.reading import read_images
from remodal.prediction.restoring import segmentation
from remodal.preprocessing import prepare
from remodal.settings import PreprocessingSettings, RegistrationSettings


class Preparation:
    """Reads a patient's images and prepares them as the model's training cases were.

    Args:
        description: the model's description (JSON).
        modalities: the images, in the order of the network's channels.
        answer: the image that is segmented, on whose grid the segmentation is.
    """

    def __init__(self, description: str, modalities: Sequence[str], answer: str) -> None:
        self._description = json.loads(Path(description).read_text(encoding="utf-8"))
        self._modalities, self._answer = list(modalities), answer

    def __call__(self, patient: Mapping[str, Any]) -> dict[str, Any]:
        """The patient with the network's input.

        Args:
            patient: `images`, by modality a DICOM folder or an image file.

        Returns:
            Also `image` (M, z, y, x), and what `Restoration` needs.

        Raises:
            BadCase: an image cannot be used.
            UserError: an image is of another DICOM modality than the training images.
        """
        sources = {name: Path(patient["images"][name]) for name in self._modalities}
        images = read_images(sources, self._description, "patient")
        registration = RegistrationSettings.model_validate(self._description["registration"])
        placed = on_one_grid(images.volumes, registration, {})
        settings = PreprocessingSettings.model_validate(self._description["preprocessing"])
        prepared = prepare(placed.volumes, self._description["fingerprint"], settings)
        found = {"image": torch.from_numpy(prepared.array), "placed": placed}
        answer = self._answer or placed.reference
        return {**patient, **found, "properties": prepared.properties, "answer": answer}


class Windows:
    """Predicts a whole image from overlapping windows; see `sliding_window` for the arguments."""

    def __init__(
        self,
        roi_size: Sequence[int],
        step: Step,
        context: Sequence[int],
        uniform: bool,
        mirror: bool,
        sw_batch_size: int,
    ) -> None:
        self._patch, self._step, self._context = roi_size, step, context
        self._uniform, self._mirror, self._batch = uniform, mirror, sw_batch_size

    def __call__(self, inputs: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
        """Class probabilities (1, C, z, y, x) of an image (1, M, z, y, x)."""
        found = sliding_window(
            network,
            inputs[0].float(),
            self._patch,
            context=self._context,
            step=self._step,
            uniform=self._uniform,
            mirror=self._mirror,
            batch=self._batch,
        )
        return found[None]


class Restoration:
    """Writes the most probable class of each voxel, on the grid of an image as it is stored."""

    def __call__(self, patient: Mapping[str, Any]) -> dict[str, Any]:
        """Write the segmentation.

        Args:
            patient: as `Preparation` returns it, with `pred` (C, z, y, x) and `output`, the file to
                write.

        Raises:
            EnvironmentProblem: full disk, or no permission to write.
        """
        summed = SummedProbabilities(patient["properties"])
        summed.add(patient["pred"].cpu().numpy())
        output = Path(patient["output"])
        write_volume(output, segmentation([summed], patient["placed"], patient["answer"]))
        return {"output": str(output)}
