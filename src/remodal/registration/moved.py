"""One image of a case, brought onto the case's grid: aligned, written, judged."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from remodal.errors import BadCase
from remodal.geometry.volume import Volume
from remodal.intake.nifti import write_volume
from remodal.registration.alignment import Alignment, Images, align
from remodal.registration.transforms import Chain, write_chain
from remodal.results.files import link_or_copy
from remodal.settings import RegistrationSettings

#: Share of the body below which an image is said to cover too little of it: of the whole body, and
#: of what the image covered before it was registered.
_LEAST, _LEAST_KEPT = 0.5, 0.8


@dataclass(frozen=True)
class Moved:
    """An image before and after its alignment.

    Attributes:
        before: as it was converted.
        alignment: what became of it.
        chain: how it was moved; None: it stayed as it was.
        told: what its case's record says about it; empty if nothing was measured.
        doubts: what a reader of the report should look at.
    """

    before: Volume
    alignment: Alignment
    chain: Chain | None
    told: dict[str, Any]
    doubts: list[str]


def move_image(
    images: Images,
    way: RegistrationSettings,
    modality: str,
    case: str,
    source: Path,
    output: Path,
) -> Moved:
    """Align an image of a case, and write it and its transforms.

    Args:
        images: with the image as the moving one.
        way: how it is aligned.
        modality: which image it is.
        case: name of the case.
        source: the file that it was read from.
        output: folder to write.

    Raises:
        BadCase: the images cannot be aligned.
    """
    start = perf_counter()
    try:
        alignment = align(images, way)
    except BadCase as error:
        raise BadCase(
            error.what, where=f"{case}, {modality}", expected=error.expected, remedy=error.remedy
        ) from error
    seconds = round(perf_counter() - start, 1)
    stayed = alignment.warped is images.moving
    if stayed:
        link_or_copy(source, output / f"{modality}.nii.gz")
    else:
        write_volume(output / f"{modality}.nii.gz", alignment.warped)
    names = [f"transform-{modality}-{n}.txt" for n in range(len(alignment.transforms))]
    write_chain(alignment.transforms, [output / name for name in names])
    told = {"method": way.method, "seconds": seconds, "transforms": names}
    return Moved(
        images.moving,
        alignment,
        None if stayed else alignment.transforms,
        alignment.quality | told if alignment.quality else {},
        [f"{modality}: {doubt}" for doubt in [*alignment.warnings, *_doubts(alignment.quality)]],
    )


def _doubts(quality: dict[str, float]) -> list[str]:
    """What is odd about an alignment; fields of view that lie apart in the headers are not."""
    if not quality:
        return []
    doubts = []
    if quality["mutual_information_after"] < quality["mutual_information_before"]:
        doubts.append("the images agree less after registration than before")
    if quality["folded_fraction"] > 0:
        doubts.append(f"the transform folds in {quality['folded_fraction']:.2%} of the body")
    covered, before = quality["overlap"], quality["overlap_before"]
    if covered < _LEAST_KEPT * before:
        doubts.append(
            f"covers only {covered:.0%} of the body after registration, {before:.0%} before"
        )
    elif covered < _LEAST:
        doubts.append(f"covers only {covered:.0%} of the body")
    return doubts
