"""The registration stage for one case: files in, files and a record out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import UserError
from remodal.geometry.volume import Volume
from remodal.intake.acquisition import acquisition
from remodal.intake.datasets import require_labels
from remodal.intake.nifti import write_volume
from remodal.masks.reading import Mask, read_mask
from remodal.registration.alignment import Images
from remodal.registration.common_grid import common_grid, on_grid
from remodal.registration.converted import ConvertedCase
from remodal.registration.labels import displacement_mm, judge_labels, place_label
from remodal.registration.moved import Moved, move_image
from remodal.registration.picture import Pair, draw_pairs
from remodal.registration.transforms import Chain
from remodal.registration.ways import mask_of, masked_images
from remodal.results.files import link_or_copy
from remodal.results.paths import STUDIES
from remodal.results.records import Record, with_quarantine, write_empty, write_record
from remodal.settings import Settings
from remodal.settings.names import label_name

_RECORD, _PICTURE = "registration.json", "registration.png"


def register_case(
    settings: Settings,
    case: str,
    converted: Path,
    output: Path,
    modalities: Sequence[str] = (),
    labels: Sequence[str] = (),
    studies: Path = STUDIES,
    *,
    quarantine: bool = False,
) -> Record:
    """Bring all modalities of a case, and its labels, onto the grid of the fixed modality.

    A case that lacks the fixed modality gets the grid of its first one, in the study's order. A
    copy (`data.copies`) is read from what its original was converted to, and so is its label.

    The files written are, for each modality, `<modality>.nii.gz` (the fixed one as a link to the
    converted file, unless `registration.grid` asks for another grid) and, for elastix,
    `transform-<modality>-<n>.txt`; `label-<modality>.nii.gz` for each of `settings.labels`;
    `registration.png`; and the record `registration.json`. The record's details hold the
    `modalities` of the case, which of them was `fixed`, the quality of each alignment, and the
    `labels` (the images that have one; empty: the case is unlabelled). For each label,
    `label-<modality>` says which image it was `drawn_on`, whether it was `warped` with that image,
    how bright it is in it if each image has a label of its own (`brightness`, see `labels`) and,
    if the fixed image has a label too, how far apart their centroids lie (`displacement_mm`);
    `acquired` holds each image's modality and intensity range. An image or a label that the case
    lacks has an empty file. A quarantined case gets empty files and the reason instead.

    Args:
        settings: effective settings.
        case: name of the case.
        converted: folder of the converted case.
        output: folder to write.
        modalities: those that the case has; empty: all of the study's.
        labels: those modalities whose image has a label; empty: the case is unlabelled. Label files
            left over from an earlier sheet are ignored.
        studies: folder of the studies, one of which may predict the masks that a way asks for.
        quarantine: do not raise for a bad case, but record the reason.

    Raises:
        BadCase: the case cannot be used, and no quarantine is wanted.
        UserError: a modality that the study does not know, a label of an image that the case lacks,
            or several labels of one truth.
        EnvironmentProblem: full disk, no permission.
    """
    present = _in_order(modalities, settings.data.modalities, "--modality")
    present = present or list(settings.data.modalities)
    drawn_on = _in_order(labels, present, "--label")
    require_labels(drawn_on, settings, case)
    blank = Record(case=case, stage="register", details={"modalities": present})
    names = [*settings.data.modalities, *map(label_name, settings.labels)]
    volumes = {name: output / f"{name}.nii.gz" for name in names}
    source = ConvertedCase(case, converted, settings.data)

    def work() -> Record:
        _remove_transforms(output)  # left by an earlier run, perhaps with other settings
        try:
            upstream = source.records(present, drawn_on)
            record = _register(settings, blank, drawn_on, source, output, studies)
            record.details["acquired"] = {
                name: acquisition(upstream[settings.data.original(name)].details)
                for name in present
            }
            made = {*present, *map(label_name, record.details["labels"])}
            write_empty(path for name, path in volumes.items() if name not in made)
        except Exception:
            _remove_transforms(output)
            raise
        write_record(output / _RECORD, record)
        return record

    outputs = [*volumes.values(), output / _PICTURE]
    return with_quarantine(work, output / _RECORD, blank, outputs, wanted=quarantine)


def _in_order(names: Sequence[str], known: Sequence[str], option: str) -> list[str]:
    """Named modalities in the order of the known ones.

    Raises:
        UserError: one that is not known.
    """
    for name in names:
        if name not in known:
            raise UserError(
                f"unknown modality `{name}`",
                where=option,
                expected=f"one of {', '.join(known)}",
            )
    return [name for name in known if name in names]


def _register(
    settings: Settings,
    record: Record,
    drawn_on: Sequence[str],
    converted: ConvertedCase,
    output: Path,
    studies: Path,
) -> Record:
    """Write a case's images, labels and picture, and complete its record."""
    present = record.details["modalities"]
    fixed_name = settings.registration.reference(present)
    acquired = converted.image(fixed_name)
    labels = {name: converted.label(name) for name in drawn_on}
    doubts, bright = judge_labels(
        settings,
        record.case,
        labels,
        lambda name: acquired if name == fixed_name else converted.image(name),
        converted.kind,
    )
    masks = _masks(settings, converted, present, drawn_on, studies)
    fixed = _on_the_cases_grid(settings, acquired, converted, set(present) - {fixed_name})
    field = None if fixed is acquired else acquired.geometry
    moved: dict[str, Moved] = {}
    for name in present:
        if name != fixed_name:
            masked = (_volume(masks.get(one)) for one in (fixed_name, name))
            images = Images(fixed, converted.image(name), *masked, field)
            way, source = settings.registration.of(name), converted.image_file(name)
            moved[name] = move_image(images, way, name, record.case, source, output)
    chains: dict[str, Chain | None] = {fixed_name: None if fixed is acquired else []}
    chains |= {name: one.chain for name, one in moved.items()}
    truths = settings.truths_among(drawn_on, present)
    placed = {
        name: place_label(settings, converted, fixed, name, labels[name], chains[name], output)
        for name in truths
    }
    if fixed is acquired:
        link_or_copy(converted.image_file(fixed_name), output / f"{fixed_name}.nii.gz")
    else:
        write_volume(output / f"{fixed_name}.nii.gz", fixed)
    draw_pairs(
        output / _PICTURE,
        fixed_name,
        fixed,
        _outlined(placed, fixed_name, fixed),
        [Pair(name, one.before, one.alignment.warped) for name, one in moved.items()],
        settings.registration.body_threshold,
    )
    details: dict[str, Any] = {"fixed": fixed_name, "method": settings.registration.method}
    details |= {name: one.told for name, one in moved.items() if one.told}
    details |= _of_labels(settings, fixed_name, chains, placed, bright)
    if masks:
        details["masks"] = {name: mask.origin for name, mask in masks.items()}
    warnings = [*doubts, *(doubt for one in moved.values() for doubt in one.doubts)]
    return record.model_copy(update={"details": record.details | details, "warnings": warnings})


def _of_labels(
    settings: Settings,
    fixed_name: str,
    chains: Mapping[str, Chain | None],
    placed: Mapping[str, Volume],
    bright: Mapping[str, float | None],
) -> dict[str, Any]:
    """What the record says about the labels that are truths, by the image they were drawn on."""
    details: dict[str, Any] = {"labels": [settings.truth_of(name) for name in placed]}
    for name, label in placed.items():
        told: dict[str, Any] = {"drawn_on": name, "warped": chains[name] is not None}
        if name in bright:
            told["brightness"] = bright[name]
        if name != fixed_name and fixed_name in placed:
            told["displacement_mm"] = displacement_mm(label, placed[fixed_name], settings)
        details[label_name(settings.truth_of(name))] = told
    return details


def _on_the_cases_grid(
    settings: Settings, fixed: Volume, converted: ConvertedCase, others: set[str]
) -> Volume:
    """The fixed image on the grid that the study wants; itself if that is its own."""
    geometries = [converted.geometry(name) for name in sorted(others, key=converted.image_file)]
    grid = common_grid(fixed.geometry, geometries, settings.registration.grid)
    return on_grid(fixed, grid, settings.registration.outside)


def _masks(
    settings: Settings,
    converted: ConvertedCase,
    present: Sequence[str],
    drawn_on: Sequence[str],
    studies: Path,
) -> dict[str, Mask]:
    """The mask of each image whose way of registration asks for one, and of the fixed image."""
    wanted = mask_of(settings.registration)
    if wanted is None:
        return {}
    found = {}
    for name in masked_images(settings.registration, present):
        label = converted.label_file(name) if name in drawn_on else None
        original = settings.data.original(name)
        found[name] = read_mask(wanted, converted.name, original, label, studies)
    return found


def _volume(mask: Mask | None) -> Volume | None:
    return mask.volume if mask else None


def _outlined(labels: Mapping[str, Volume], fixed_name: str, fixed: Volume) -> np.ndarray:
    """The label that the picture outlines: the fixed image's or else the first; zeros if none."""
    label = labels.get(fixed_name) or next(iter(labels.values()), None)
    return np.zeros(fixed.geometry.shape, np.uint8) if label is None else label.array


def _remove_transforms(output: Path) -> None:
    for path in output.glob("transform-*.txt"):
        path.unlink()
