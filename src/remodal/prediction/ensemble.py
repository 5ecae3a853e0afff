"""Several trainings of a method as one model: the mean of their probabilities, as in nnU-Net."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.inference.model import Segmenter
from remodal.models.model_files import (
    DESCRIPTION,
    TrainedModel,
    load_model,
    read_description,
    require_class_order,
)
from remodal.prediction.measuring import structures_of
from remodal.prediction.writing import Origin
from remodal.preprocessing.prepare import Cropped, Prepared, crop_case, scale
from remodal.process.device import choose_device
from remodal.settings import (
    ComputeSettings,
    InferenceSettings,
    PreprocessingSettings,
    RegistrationSettings,
)

#: What all models of an ensemble must have in common, in words, by its key in their descriptions.
_COMMON = {
    "modalities": "modalities",
    "classes": "classes",
    "preprocessing": "preparation of images",
    "registration": "registration",
}


class SummedProbabilities:
    """Class probabilities of several models on one prepared grid, added up.

    Args:
        properties: of the prepared case; see `Prepared`.

    Attributes:
        array: (C, z, y, x) float32, background first.
        models: how many were added.
    """

    array: np.ndarray

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.properties, self.models = properties, 0

    def add(self, probabilities: np.ndarray) -> None:
        """Add those of a model; the first one's array becomes the sum."""
        if self.models:
            self.array += probabilities
        else:
            self.array = probabilities
        self.models += 1

    def averaged(self) -> np.ndarray:
        """The mean, in the memory of the sum, which it replaces."""
        if self.models > 1:
            self.array /= np.float32(self.models)
            self.models = 1
        return self.array


class Ensemble:
    """Trained models that agree on what goes in and what comes out; each is loaded once.

    Args:
        folders: of trained models, or of a method's trainings (`models/maml`), which all take part.
        compute: device, number of windows at once.

    Raises:
        UserError: no folder, one that holds no model, models that do not agree, or no such device.
    """

    def __init__(self, folders: Sequence[Path], compute: ComputeSettings | None = None) -> None:
        self._compute = compute or ComputeSettings()
        self.folders = [model for folder in folders for model in _trainings_of(Path(folder))]
        if not self.folders:
            raise UserError("no model is given", expected="--model FOLDER")
        self._descriptions = [read_description(folder) for folder in self.folders]
        _require_agreement(self.folders, self._descriptions)
        require_class_order(self.folders[0], self.description)
        self._loaded: dict[Path, TrainedModel] = {}

    @property
    def description(self) -> dict[str, Any]:
        """That of the first model; see `_COMMON` for what the others share with it."""
        return self._descriptions[0]

    @property
    def registration(self) -> RegistrationSettings:
        """How the images of a case are registered."""
        return RegistrationSettings.model_validate(self.description["registration"])

    @property
    def preprocessing(self) -> PreprocessingSettings:
        """How images are prepared, but for what each model measured on its training cases."""
        return PreprocessingSettings.model_validate(self.description["preprocessing"])

    @property
    def weights(self) -> list[str]:
        """The SHA-256 of each model's weights."""
        return [description["weights_sha256"] for description in self._descriptions]

    @property
    def label(self) -> str:
        """The methods' titles."""
        return " + ".join(dict.fromkeys(one["label"] for one in self._descriptions))

    @property
    def digest(self) -> str:
        """SHA-256 of all that the models say of themselves, their weights' digests among it."""
        content = json.dumps(self._descriptions, sort_keys=True)
        return sha256(content.encode()).hexdigest()

    @property
    def origin(self) -> Origin:
        """What a file says about what made it."""
        together = "\n".join(self.weights)
        digest = (
            self.weights[0] if len(self.weights) == 1 else sha256(together.encode()).hexdigest()
        )
        return Origin(list(self.description["classes"]), self.label, digest)

    @property
    def structures(self) -> dict[str, list[int]]:
        """What is measured; see `structures_of`."""
        return structures_of(self.description)

    @property
    def facts(self) -> dict[str, str]:
        """What the models are, in words."""
        first, count = self.description, len(self.folders)
        trainings = ", ".join(
            f"fold {one['fold']} seed {one['seed']}" for one in self._descriptions
        )
        mean = f"mean of {count} trainings: " if count > 1 else ""
        return {
            "model": f"{self.label}, {mean}{trainings}",
            "study": f"{first['study']}, preset {first['preset']}",
            "weights": f"SHA-256 {self.origin.weights[:16]}",
        } | self._plan

    @property
    def _plan(self) -> dict[str, str]:
        """What planned the networks, if something did; the models of a study share it."""
        plan = self.description["network"].get("planned")
        if not plan:
            return {}
        patch = " x ".join(map(str, self.description["recipe"]["patch"]))
        made = f"as by nnU-Net v2 for {plan['gpu_memory']:g} GB ({plan['file']})"
        return {"planned": f"patches of {patch} voxels (z, y, x), {made}"}

    def warnings(self, case: str) -> list[str]:
        """What a reader should know of the models.

        Args:
            case: pseudonym of the patient.
        """
        found = []
        if self.description["simulated"]:
            found.append("the model was trained on simulated patients")
        if any(case in one["fingerprint"].get("cases", []) for one in self._descriptions):
            found.append(f"the model was trained on a case that is named {case} too")
        return found

    def segmenter(self, number: int, present: Iterable[str], target: str) -> Segmenter:
        """One of the models with the modalities that it is to predict from.

        Raises:
            UserError: it cannot predict from them, or cannot segment the target.
        """
        folder = self.folders[number]
        if folder not in self._loaded:
            self._loaded[folder] = load_model(folder, choose_device(self._compute.device))
        settings = InferenceSettings.model_validate(self._descriptions[number]["inference"])
        return Segmenter(self._loaded[folder], present, settings, self._compute, target)

    def answered_by(self, present: Iterable[str], target: str) -> str:
        """What parts of the models predict from these modalities, in words; may be empty."""
        segmenters = (self.segmenter(n, present, target) for n in range(len(self.folders)))
        return ", ".join(dict.fromkeys(one.answered_by for one in segmenters if one.answered_by))

    def require_support(self, present: Iterable[str], target: str) -> None:
        """Check that every model predicts from these modalities, which loads all of them.

        Raises:
            UserError: one cannot predict from them, or cannot segment the target.
        """
        for number in range(len(self.folders)):
            self.segmenter(number, present, target)

    def summed(
        self,
        volumes: Mapping[str, Volume],
        mask: Volume | None,
        target: str,
        track: Callable[[Iterable, str], Iterable],
    ) -> list[SummedProbabilities]:
        """The models' probabilities, added up: one sum for each prepared grid.

        Models that were trained on different cases may prepare an image on grids of different
        spacing. An image is cropped once, and prepared once for all models that prepare it alike.
        In memory are the sums and the probabilities of one model.

        Args:
            volumes: the images, on one grid, in the models' order.
            mask: for models whose images were cropped by a mask.
            target: the image to segment; see `Segmenter`.
            track: wraps the windows of a model; gets its number in words.

        Raises:
            BadCase: the images cannot be prepared.
        """
        cropped = crop_case(volumes, self.preprocessing, mask)
        sums: dict[tuple[int, ...], SummedProbabilities] = {}
        for prepared, numbers in self._prepared(cropped):
            shape = tuple(prepared.properties["shape"])
            total = sums.setdefault(shape, SummedProbabilities(prepared.properties))
            for number in numbers:
                tracked = partial(track, description=self._said(number))
                # No name holds the probabilities while the next model predicts.
                total.add(
                    self.segmenter(number, volumes, target).probabilities(prepared.array, tracked)
                )
        return list(sums.values())

    def _prepared(self, cropped: Cropped) -> Iterator[tuple[Prepared, list[int]]]:
        """A case as each model wants it, with the numbers of the models that want it so."""
        alike: dict[str, list[int]] = {}
        for number, description in enumerate(self._descriptions):
            alike.setdefault(_measured(description, self.preprocessing), []).append(number)
        for numbers in alike.values():
            fingerprint = self._descriptions[numbers[0]]["fingerprint"]
            yield scale(cropped, fingerprint, self.preprocessing), numbers

    def _said(self, number: int) -> str:
        count = len(self.folders)
        return f"Segmenting, model {number + 1} of {count}" if count > 1 else "Segmenting"


def _measured(description: Mapping[str, Any], settings: PreprocessingSettings) -> str:
    """What preparation takes from a model's training cases, as text."""
    fingerprint = description["fingerprint"] if settings.depends_on_fold else {}
    kept = {key: fingerprint.get(key) for key in ("spacing", "foreground")}
    return json.dumps(kept, sort_keys=True)


def _trainings_of(folder: Path) -> list[Path]:
    """The folder itself if it holds a model, otherwise those in it that do.

    Raises:
        UserError: there is none.
    """
    if (folder / DESCRIPTION).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{DESCRIPTION}"))
    if not found:
        read_description(folder)  # says what is missing
    return found


def _require_agreement(folders: Sequence[Path], descriptions: Sequence[Mapping[str, Any]]) -> None:
    first = descriptions[0]
    for folder, description in zip(folders, descriptions):
        pairs = [(said, first[key], description[key]) for key, said in _COMMON.items()]
        truths = (one["data"]["truth"] for one in (first, description))
        for said, one, other in [*pairs, ("truth of a case", *truths)]:
            # The order of classes counts: it numbers them.
            if one != other or (isinstance(one, dict) and list(one) != list(other)):
                raise UserError(
                    f"the models differ in {said}, so their mean means nothing",
                    where=f"{folders[0]} and {folder}",
                    expected="trainings of one method of one study",
                )
