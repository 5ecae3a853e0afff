"""The registration stage for one case: files in, files and a record out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Volume
from remodal.intake.acquisition import acquisition
from remodal.intake.datasets import require_labels
from remodal.intake.nifti import read_geometry, read_volume, write_volume
from remodal.masks.reading import Mask, read_mask
from remodal.registration.alignment import Alignment, Images, align
from remodal.registration.common_grid import common_grid, on_grid
from remodal.registration.labels import brightness, displacement_mm, doubts_about_label, place_label
from remodal.registration.picture import Pair, draw_pairs
from remodal.registration.transforms import Chain, write_chain
from remodal.registration.ways import mask_of, masked_images
from remodal.results.files import link_or_copy
from remodal.results.paths import STUDIES
from remodal.results.records import (
    Record,
    read_record,
    require_ok,
    with_quarantine,
    write_empty,
    write_record,
)
from remodal.settings import RegistrationSettings, Settings
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
    original = settings.data.original

    def work() -> Record:
        _remove_transforms(output)  # left by an earlier run, perhaps with other settings
        try:
            # A copy is read from what its original was converted to.
            sources = dict.fromkeys(map(original, present)), dict.fromkeys(map(original, drawn_on))
            upstream = _upstream(case, converted, *sources)
            record = _register(settings, blank, drawn_on, converted, output, studies)
            record.details["acquired"] = {
                name: acquisition(upstream[original(name)].details) for name in present
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


def _upstream(
    case: str, converted: Path, present: Iterable[str], drawn_on: Iterable[str]
) -> dict[str, Record]:
    """The records of a case's converted images and labels.

    Raises:
        BadCase: one was quarantined, or is missing.
    """
    wanted = {name: f"the {name} image" for name in present}
    wanted |= {label_name(name): f"the label of the {name} image" for name in drawn_on}
    found = {name: converted / f"{name}.json" for name in wanted}
    records = {name: read_record(path) for name, path in found.items() if path.is_file()}
    require_ok(records.values())
    for name, said in wanted.items():
        if name not in records:
            raise BadCase(
                f"{said} is missing",
                where=case,
                expected=", ".join(wanted.values()),
                remedy="convert it, or correct the sample sheet",
            )
    return records


def _register(
    settings: Settings,
    record: Record,
    drawn_on: Sequence[str],
    converted: Path,
    output: Path,
    studies: Path,
) -> Record:
    present = record.details["modalities"]
    fixed_name = settings.registration.reference(present)
    acquired = read_volume(converted / f"{fixed_name}.nii.gz")
    details: dict[str, Any] = {"fixed": fixed_name, "method": settings.registration.method}
    original = settings.data.original
    labels = {
        name: read_volume(converted / f"{label_name(original(name))}.nii.gz") for name in drawn_on
    }
    warnings, bright = [], {}
    for name, label in labels.items():
        if name in settings.data.copies:
            continue
        image = acquired if name == fixed_name else read_volume(converted / f"{name}.nii.gz")
        warnings += doubts_about_label(settings, f"{record.case}, {label_name(name)}", label, image)
        if settings.data.truth == "image" and label.geometry.agrees_with(image.geometry):
            bright[name] = {"brightness": brightness(image, label, settings)}
    masks = _masks(settings, record.case, present, drawn_on, converted, studies)
    fixed = _on_the_cases_grid(settings, acquired, converted, set(present) - {fixed_name})
    chains: dict[str, Chain | None] = {fixed_name: None if fixed is acquired else []}
    pairs: list[Pair] = []
    for modality in present:
        if modality == fixed_name:
            continue
        source = converted / f"{original(modality)}.nii.gz"
        moving = read_volume(source)
        images = Images(fixed, moving, *(_volume(masks.get(m)) for m in (fixed_name, modality)))
        way = settings.registration.of(modality)
        alignment, seconds = _aligned(way, images, f"{record.case}, {modality}")
        names = _write_aligned(alignment, moving, modality, source, output)
        chains[modality] = None if alignment.warped is moving else alignment.transforms
        if alignment.quality:
            told = {"method": way.method, "seconds": seconds, "transforms": names}
            details[modality] = {**alignment.quality, **told}
        warnings += _doubts(modality, alignment)
        pairs.append(Pair(modality, before=moving, after=alignment.warped))
    truths = settings.truths_among(drawn_on, present)
    placed = {
        name: place_label(
            settings, record.case, fixed, name, labels[name], chains[name], converted, output
        )
        for name in truths
    }
    if fixed is acquired:
        link_or_copy(converted / f"{fixed_name}.nii.gz", output / f"{fixed_name}.nii.gz")
    else:
        write_volume(output / f"{fixed_name}.nii.gz", fixed)
    draw_pairs(
        output / _PICTURE,
        fixed_name,
        fixed,
        _outlined(placed, fixed_name, fixed),
        pairs,
        settings.registration.body_threshold,
    )
    details["labels"] = [settings.truth_of(name) for name in truths]
    for name in truths:
        told = {"drawn_on": name, "warped": chains[name] is not None} | bright.get(name, {})
        if name != fixed_name and fixed_name in placed:
            told["displacement_mm"] = displacement_mm(placed[name], placed[fixed_name], settings)
        details[label_name(settings.truth_of(name))] = told
    if masks:
        details["masks"] = {name: mask.origin for name, mask in masks.items()}
    return record.model_copy(update={"details": record.details | details, "warnings": warnings})


def _on_the_cases_grid(
    settings: Settings, fixed: Volume, converted: Path, others: Collection[str]
) -> Volume:
    """The fixed image on the grid that the study wants; itself if that is its own."""
    names = sorted(map(settings.data.original, others))
    geometries = [read_geometry(converted / f"{name}.nii.gz") for name in names]
    grid = common_grid(fixed.geometry, geometries, settings.registration.grid)
    return on_grid(fixed, grid, settings.registration.outside)


def _masks(
    settings: Settings,
    case: str,
    present: Sequence[str],
    drawn_on: Sequence[str],
    converted: Path,
    studies: Path,
) -> dict[str, Mask]:
    """The mask of each image whose way of registration asks for one, and of the fixed image."""
    wanted = mask_of(settings.registration)
    if wanted is None:
        return {}
    found = {}
    for name in masked_images(settings.registration, present):
        original = settings.data.original(name)
        label = converted / f"{label_name(original)}.nii.gz" if name in drawn_on else None
        found[name] = read_mask(wanted, case, original, label, studies)
    return found


def _volume(mask: Mask | None) -> Volume | None:
    return mask.volume if mask else None


def _aligned(way: RegistrationSettings, images: Images, where: str) -> tuple[Alignment, float]:
    """The alignment, and how many seconds it took."""
    start = perf_counter()
    try:
        alignment = align(images, way)
    except BadCase as error:
        raise BadCase(
            error.what, where=where, expected=error.expected, remedy=error.remedy
        ) from error
    return alignment, round(perf_counter() - start, 1)


def _write_aligned(
    alignment: Alignment, moving: Volume, modality: str, source: Path, output: Path
) -> list[str]:
    """Write the image, read from `source`, and its transforms; return the transforms' names."""
    if alignment.warped is moving:
        link_or_copy(source, output / f"{modality}.nii.gz")
    else:
        write_volume(output / f"{modality}.nii.gz", alignment.warped)
    names = [f"transform-{modality}-{n}.txt" for n in range(len(alignment.transforms))]
    write_chain(alignment.transforms, [output / name for name in names])
    return names


def _doubts(modality: str, alignment: Alignment) -> list[str]:
    """What a reader of the report should look at."""
    doubts = [f"{modality}: {warning}" for warning in alignment.warnings]
    found = alignment.quality
    if not found:
        return doubts
    if found["mutual_information_after"] < found["mutual_information_before"]:
        doubts.append(f"{modality}: the images agree less after registration than before")
    if found["folded_fraction"] > 0:
        doubts.append(
            f"{modality}: the transform folds in {found['folded_fraction']:.2%} of the body"
        )
    if found["overlap"] < 0.8:
        doubts.append(f"{modality}: covers only {found['overlap']:.0%} of the body")
    return doubts


def _outlined(labels: Mapping[str, Volume], fixed_name: str, fixed: Volume) -> np.ndarray:
    """The label that the picture outlines: the fixed image's or else the first; zeros if none."""
    label = labels.get(fixed_name) or next(iter(labels.values()), None)
    return np.zeros(fixed.geometry.shape, np.uint8) if label is None else label.array


def _remove_transforms(output: Path) -> None:
    for path in output.glob("transform-*.txt"):
        path.unlink()
