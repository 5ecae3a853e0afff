"""The labels of a case: whether they may be right, and where registration brings them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.lattice import differences
from remodal.geometry.volume import Volume
from remodal.intake.nifti import write_volume
from remodal.registration.converted import ConvertedCase
from remodal.registration.label_place import doubt_about_place
from remodal.registration.transforms import Chain, warp_label
from remodal.results.files import link_or_copy
from remodal.settings import Settings
from remodal.settings.names import label_name


def judge_labels(
    settings: Settings,
    case: str,
    labels: Mapping[str, Volume],
    image_of: Callable[[str], Volume],
    kind_of: Callable[[str], str],
) -> tuple[list[str], dict[str, float | None]]:
    """Judge a case's labels on the images that they were drawn on; those of copies are not judged.

    Args:
        settings: effective settings.
        case: name of the case.
        labels: as they were converted, by the image that each was drawn on.
        image_of: reads such an image.
        kind_of: DICOM's Modality of it; empty: not known, and CT if a study says where a body
            begins (`registration.body_threshold`).

    Returns:
        What is odd about them; and, if each image has a label of its own, how bright it is in its
        image (see `brightness`).

    Raises:
        BadCase: the label of a CT is on another grid, or seems to be flipped.
    """
    doubts, bright = [], {}
    for name, label in labels.items():
        if name in settings.data.copies:
            continue
        image = image_of(name)
        if kind_of(name) in ("CT", ""):
            doubts += _doubts(settings, case, label_name(name), label, image)
        if settings.data.truth == "image" and label.geometry.agrees_with(image.geometry):
            bright[name] = brightness(image, label, settings)
    return doubts, bright


def _doubts(settings: Settings, case: str, name: str, label: Volume, image: Volume) -> list[str]:
    """What is odd about a CT's label on the image that it was drawn on.

    Nothing is said without a threshold. Tissue is told by Hounsfield units.
    """
    threshold, where = settings.registration.body_threshold, f"{case}, {name}"
    if threshold is None:
        return []
    _require_same_grid(label, image, where)
    doubt = doubt_about_place(image, label.array, threshold)
    if doubt and doubt.flipped and settings.data.flipped_label == "quarantine":
        raise BadCase(
            doubt.said,
            where=where,
            expected="a label in the orientation of its image",
            remedy="correct the label, or set data.flipped_label to `keep` if it is right",
        )
    return [f"{name}: {doubt.said}"] if doubt else []


def place_label(
    settings: Settings,
    converted: ConvertedCase,
    fixed: Volume,
    drawn_on: str,
    label: Volume,
    chain: Chain | None,
    output: Path,
) -> Volume:
    """Write a label on the fixed grid: as it is, or moved with the image it was drawn on.

    Args:
        settings: effective settings.
        converted: the case.
        fixed: the image that is on the case's grid.
        drawn_on: the modality that the label was drawn on.
        label: as it was converted.
        chain: how that image was moved; None: it stayed as it was.
        output: folder to write.

    Raises:
        BadCase: the label is not on its image's grid, or holds none of the classes.
    """
    target = output / settings.label_file(drawn_on)
    where = f"{converted.name}, {label_name(drawn_on)}"
    if chain is None:
        _require_same_grid(label, fixed, where)
    else:
        label = warp_label(label, fixed.geometry, chain)
    wanted = sorted(value for values in settings.data.classes.values() for value in values)
    if settings.data.empty_label == "quarantine" and not np.isin(label.array, wanted).any():
        classes = ", ".join(f"{name} {values}" for name, values in settings.data.classes.items())
        raise BadCase(
            "the label holds none of the classes",
            where=where,
            expected=classes,
            remedy="correct data.classes, or set data.empty_label to `keep`",
        )
    if chain is None:
        link_or_copy(converted.label_file(drawn_on), target)
    else:
        write_volume(target, label)
    return label


def displacement_mm(label: Volume, other: Volume, settings: Settings) -> float | None:
    """How far apart in mm the centroids of two labels lie, of all classes together.

    Args:
        label: on any grid.
        other: on any grid.
        settings: effective settings, for the values of the classes.

    Returns:
        None if a label holds none of the classes.
    """
    values = [value for values in settings.data.classes.values() for value in values]
    places = []
    for volume in (label, other):
        voxels = np.nonzero(np.isin(volume.array, values))
        if not len(voxels[0]):
            return None
        x, y, z = (float(axis.mean()) for axis in voxels[::-1])
        places.append(volume.geometry.affine @ (x, y, z, 1.0))
    return round(float(np.linalg.norm(places[0] - places[1])), 3)


def brightness(image: Volume, label: Volume, settings: Settings) -> float | None:
    """How bright what is labelled is: the share of the body that is darker than its median.

    A share hangs neither on the scanner's scale nor on a coil.

    Args:
        image: any image.
        label: on its grid.
        settings: effective settings, for the values of the classes and the threshold of the body;
            without one, the body is what is brighter than half the mean of the image.

    Returns:
        None if the label holds none of the classes, or the image no body.
    """
    values = [value for values in settings.data.classes.values() for value in values]
    inside = image.array[np.isin(label.array, values)]
    threshold = settings.registration.body_threshold
    threshold = image.array.mean() / 2 if threshold is None else threshold
    body = image.array[image.array > threshold]
    if not inside.size or not body.size:
        return None
    return round(float(np.mean(body < np.median(inside))), 3)


def _require_same_grid(label: Volume, image: Volume, where: str) -> None:
    if not label.geometry.agrees_with(image.geometry):
        raise BadCase(
            f"is on another grid than its image: {differences(label.geometry, image.geometry)}",
            where=where,
            expected="the same grid",
            remedy="convert the label again",
        )
