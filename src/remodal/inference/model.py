"""A trained model, ready to segment prepared cases."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from remodal.geometry.volume import Volume
from remodal.inference.sliding_window import sliding_window, whole_window
from remodal.models.model_files import TrainedModel, load_model
from remodal.preprocessing import Prepared, prepare
from remodal.process.device import choose_device, choose_precision
from remodal.settings import (
    ComputeSettings,
    InferenceSettings,
    NetworkSettings,
    PreprocessingSettings,
)
from remodal.settings.sampling import PatchSettings

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Segmenter:
    """A trained method with the modalities that it is to predict from.

    Args:
        model: the method and its description, on the device that it is to predict on.
        present: names of the available modalities; the method is given those that it knows.
        target: the image to segment, if each has a ground truth of its own; empty: all share one.
        settings: window step, mirroring, precision.
        compute: device, number of windows at once.

    Raises:
        UserError: no such device, or the method cannot predict from `present` or cannot segment
            `target`.
    """

    def __init__(
        self,
        model: TrainedModel,
        present: Iterable[str],
        settings: InferenceSettings,
        compute: ComputeSettings,
        target: str = "",
    ) -> None:
        self._target = target
        self._settings, self._windows = settings, compute.windows
        self._device = choose_device(compute.device)
        self._precision = choose_precision(settings.precision, self._device)
        self.description: dict[str, Any] = model.description
        self._method = model.method
        chosen = set(present)
        self.modalities = [name for name in self._method.modalities if name in chosen]
        self._method.require_support(self.modalities)
        self._method.require_target(target, self.modalities)

    @classmethod
    def load(
        cls,
        folder: Path,
        present: Iterable[str],
        settings: InferenceSettings,
        compute: ComputeSettings,
        target: str = "",
    ) -> "Segmenter":
        """The segmenter of the trained model in a folder.

        Raises:
            UserError: no such model; otherwise as the class.
        """
        model = load_model(folder, choose_device(compute.device))
        return cls(model, present, settings, compute, target)

    @property
    def answered_by(self) -> str:
        """What predicts from these modalities, in words; empty if the method has only one part."""
        return self._method.answered_by(self.modalities)

    def prepared(self, volumes: Mapping[str, Volume], mask: Volume | None = None) -> Prepared:
        """Images as they were scanned, prepared as the model's training cases were.

        Args:
            volumes: those of `self.modalities`, in that order, on one grid.
            mask: for a model whose images were cropped by a mask: bool, on its own grid.

        Raises:
            BadCase: see `remodal.preprocessing.prepare`.
        """
        settings = PreprocessingSettings.model_validate(self.description["preprocessing"])
        return prepare(volumes, self.description["fingerprint"], settings, mask)

    def probabilities(
        self, image: np.ndarray, track: Callable[[Iterable], Iterable] = iter
    ) -> np.ndarray:
        """Class probabilities of a prepared case.

        Args:
            image: (M, z, y, x), the modalities in the order of `self.modalities`.
            track: wraps the batches of windows, for a progress bar.

        Returns:
            (C, z, y, x) float32, background first.
        """
        network_pass = partial(self._method.probabilities_of, target=self._target)
        return self._over_windows(network_pass, image, self._settings.mirror, track)

    def with_attention(self, image: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What `probabilities` and `attention` give.

        Without mirroring, both come of the same windows and are computed together.
        """
        names = self._maps
        if self._settings.mirror or not names:
            return self.probabilities(image), self.attention(image)

        def stacked(images: Mapping[str, Tensor]) -> Tensor:
            probabilities, maps = self._method.with_attention(images, self._target)
            return torch.cat([probabilities.float(), *(maps[name] for name in names)], dim=1)

        found = self._over_windows(stacked, image, mirror=False)
        return found[: -len(names)], dict(zip(names, found[-len(names) :]))

    @property
    def _maps(self) -> list[str]:
        """Names of the maps: none if a modality is missing."""
        return self._method.maps if self.modalities == self._method.modalities else []

    def attention(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The method's attention maps of a prepared case with all its modalities.

        They are averaged over windows but not over mirrorings.

        Args:
            image: as for `probabilities`.

        Returns:
            Maps (z, y, x) float32 by name; empty for a method without maps, or if a modality is
            missing.
        """
        names = self._maps
        if not names:
            return {}

        def stacked(images: Mapping[str, Tensor]) -> Tensor:
            maps = self._method.attention(images)
            return torch.cat([maps[name] for name in names], dim=1)

        return dict(zip(names, self._over_windows(stacked, image, mirror=False)))

    def _over_windows(
        self,
        network_pass: Callable[[Mapping[str, Tensor]], Tensor],
        image: np.ndarray,
        mirror: bool,
        track: Callable[[Iterable], Iterable] = iter,
    ) -> np.ndarray:
        def predictor(patches: Tensor) -> Tensor:
            images = dict(zip(self.modalities, patches.split(1, dim=1)))
            with torch.autocast(
                self._device.type,
                _AUTOCAST.get(self._precision),
                enabled=self._precision in _AUTOCAST,
            ):
                return network_pass(images).float()

        whole = self._settings.window == "whole"
        # If all windows have the same shape, trying out convolution algorithms on a GPU pays off.
        with torch.backends.cudnn.flags(benchmark=not whole):
            result = sliding_window(
                predictor,
                torch.from_numpy(image).to(self._device).float(),
                self._whole(image.shape[1:]) if whole else self._patch.most,
                context=self._method.context,
                step=self._settings.step,
                uniform=self._settings.weights == "uniform",
                mirror=mirror,
                batch=self._windows,
                track=track,
            )
        return result.cpu().numpy()

    def _whole(self, shape: Sequence[int]) -> Sequence[int]:
        """The window that holds an image of this shape."""
        network = NetworkSettings.model_validate(self.description["network"])
        shrunk = self._method.patch_multiple(network)
        multiple = [lcm(*steps) for steps in zip(self._patch.multiple, shrunk)]
        return whole_window(shape, self._patch.least, multiple)

    @property
    def _patch(self) -> PatchSettings:
        return PatchSettings.model_validate(self.description["recipe"]["patch"])
