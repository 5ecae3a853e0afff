"""Where the images of a fold's test cases come from, and where their segmentations go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.inference.foreign import Pairing, centred_on, cut_or_padded
from remodal.inference.model import Segmenter
from remodal.intake.nifti import read_geometry, read_volume, write_volume
from remodal.preprocessing import Prepared
from remodal.registration.stored import carry_label
from remodal.results.paths import converted_folder, registered_folder
from remodal.settings import DataSettings, Settings

#: Folder of the segmentations on the grids of the images as they were converted.
NATIVE = "native"


class Images(Protocol):
    """The test cases' images in one space; `registered` if the case's truth lies there too."""

    registered: bool

    def prepared(self, pairing: Pairing) -> Prepared:
        """The images of one prediction, and how to bring its result back to their source."""

    def placed(self, case: str, segmentation: Volume) -> Volume:
        """A segmentation of the images' source, on the grid of the case's truth."""


class RegisteredImages:
    """Images as registration placed them, preprocessed and stored.

    Args:
        preprocessed: folder of the fold's preprocessed cases.
        details: properties of the prepared cases, by case.
        modalities: those wanted, in order; the others are not read.
        foreign: those that come from another case where one is wanted.
    """

    registered = True

    def __init__(
        self,
        preprocessed: Path,
        details: Mapping[str, dict[str, Any]],
        modalities: list[str],
        foreign: list[str],
    ) -> None:
        self._folder, self._details = preprocessed, details
        self._modalities, self._foreign = modalities, foreign

    def prepared(self, pairing: Pairing) -> Prepared:
        """The wanted modalities of a stored case, (M, z, y, x), in the format of storage.

        Foreign images are another case's, cut or padded about their centre to this case's shape.
        """
        properties = self._details[pairing.case]
        if not pairing.foreign:
            return Prepared(self._channels(pairing.case, self._modalities), properties)
        images = []
        for name in self._modalities:
            owner = pairing.foreign if name in self._foreign else pairing.case
            image = self._channels(owner, [name])[0]
            images.append(cut_or_padded(image, tuple(properties["shape"])))
        return Prepared(np.stack(images), properties)

    def placed(self, case: str, segmentation: Volume) -> Volume:
        """The segmentation itself: the truth lies on the registered images' grid."""
        return segmentation

    def _channels(self, case: str, modalities: list[str]) -> np.ndarray:
        channels = [self._details[case]["modalities"].index(name) for name in modalities]
        return np.load(self._folder / f"{case}.npy", mmap_mode="r")[channels]


class ForeignRegistered:
    """A case's images as registration placed them, and foreign ones registered to its fixed image.

    A foreign image is read as it was converted, laid with its centre on that of the fixed image,
    and registered to it as the study registers a case's own. All are then prepared together.

    Args:
        segmenter: the model.
        settings: the study.
        foreign: the images that come from another case.
        data: folder of the data set's results.

    Raises:
        UserError: no folder of the data set.
    """

    registered = True

    def __init__(
        self, segmenter: Segmenter, settings: Settings, foreign: list[str], data: Path | None
    ) -> None:
        self._data = _required(data, "foreign images are registered as they were converted")
        self._segmenter, self._settings, self._foreign = segmenter, settings, foreign

    def prepared(self, pairing: Pairing) -> Prepared:
        """The images of a pair of cases.

        Raises:
            BadCase: a foreign image cannot be registered.
        """
        own, name = registered_folder(self._data, pairing.case), self._settings.registration.fixed
        fixed = read_volume(own / f"{name}.nii.gz")
        field = read_geometry(converted_folder(self._data, pairing.case) / f"{name}.nii.gz")
        volumes = {
            name: self._placed(pairing, name, fixed, field)
            if name in self._foreign
            else read_volume(own / f"{name}.nii.gz")
            for name in self._segmenter.modalities
        }
        return self._segmenter.prepared(volumes)

    def _placed(self, pairing: Pairing, name: str, fixed: Volume, field: Geometry) -> Volume:
        from remodal.registration import alignment  # ITK, which other images do without

        original = self._settings.data.original(name)
        path = converted_folder(self._data, pairing.foreign) / f"{original}.nii.gz"
        moving = centred_on(read_volume(path), fixed.geometry)
        way = self._settings.registration.of(name)
        try:
            return alignment.align(alignment.Images(fixed, moving, field=field), way).warped
        except BadCase as error:
            raise BadCase(
                error.what,
                where=f"{name} of {pairing.foreign}, registered to {pairing.case}",
                expected=error.expected,
                remedy=error.remedy,
            ) from error

    def placed(self, case: str, segmentation: Volume) -> Volume:
        """The segmentation itself: the truth lies on the registered images' grid."""
        return segmentation


class NativeImages:
    """One image of each case as it was converted, prepared by itself as a new patient's is.

    Its segmentation is written as it is, to `native/<case>.nii.gz` of the output, and then carried
    to where registration placed the image.

    Args:
        segmenter: the model.
        data: folder of the data set's results.
        output: folder of the predictions.
        study: settings of the study's data, for its copies.

    Raises:
        UserError: no folder of the data set.
    """

    registered = False

    def __init__(
        self, segmenter: Segmenter, data: Path | None, output: Path, study: DataSettings
    ) -> None:
        self._data = _required(data, "a scenario in native space reads the images as converted")
        self._segmenter, self._output = segmenter, output
        [self._modality] = segmenter.modalities
        self._original = study.original(self._modality)

    def prepared(self, pairing: Pairing) -> Prepared:
        """The image of a case.

        Raises:
            BadCase: it cannot be prepared by itself.
        """
        path = converted_folder(self._data, pairing.case) / f"{self._original}.nii.gz"
        try:
            return self._segmenter.prepared({self._modality: read_volume(path)})
        except BadCase as error:
            raise BadCase(
                error.what,
                where=f"{pairing.case}, {self._modality} in native space",
                expected=error.expected,
                remedy=error.remedy or "take the case out of the sheet",
            ) from error

    def placed(self, case: str, segmentation: Volume) -> Volume:
        """The segmentation where registration placed the image; see `carry_label`."""
        write_volume(self._output / NATIVE / f"{case}.nii.gz", segmentation)
        return carry_label(segmentation, self._modality, registered_folder(self._data, case))


def _required(data: Path | None, why: str) -> Path:
    if data is None:
        expected = "--data, the folder of the data set's results"
        raise UserError(why, where="infer", expected=expected)
    return data
