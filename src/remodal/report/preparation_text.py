"""What was done to the images before a network saw them, in words."""

from collections.abc import Sequence

from remodal.registration.ways import described, mask_of
from remodal.settings import GridSettings, PreprocessingSettings, RegistrationSettings, Settings

_CLIPPED = {
    "dataset_foreground": "clipped to the {low:g} and {high:g} percentiles of the training cases' "
    "foreground voxels",
    "case": "clipped to the {low:g} and {high:g} percentiles of each case",
    "range": "clipped to {low:g} to {high:g}",
    "none": "not clipped",
}
_STATISTICS = "normalised by the mean and standard deviation of {of}"
_NORMALISED = {
    "case": _STATISTICS.format(of="{voxels} of each case"),
    "case_nonzero": _STATISTICS.format(of="the non-zero {voxels} of each case"),
    "crop": _STATISTICS.format(of="all voxels that were kept of each case"),
    "image": _STATISTICS.format(of="each image before it was cropped"),
    "dataset_foreground": _STATISTICS.format(of="the training cases' foreground voxels"),
    "unit": "scaled to 0 to 1",
    "symmetric": "scaled to -1 to 1",
    "none": "not normalised",
}


def preparation_text(settings: Settings) -> str:
    """Registration, cropping, intensities and spacing, one sentence each."""
    chosen = settings.preprocessing
    sentences = [described(settings.registration), *_grid(settings.registration)]
    return " ".join([*sentences, *_cropped(chosen), _intensities(chosen)])


def grid_text(grid: GridSettings) -> str:
    """What a case's grid is besides that of its fixed image; empty if that is all."""
    extended = ", extended to hold all images" if grid.extent == "all" else ""
    return extended + (f", at {_millimetres(grid.spacing)}" if grid.spacing else "")


def _grid(registration: RegistrationSettings) -> list[str]:
    said = grid_text(registration.grid).removeprefix(", ")
    return (
        [f"The grid of a case is that of its {registration.fixed} image, {said}."] if said else []
    )


def _millimetres(spacing: Sequence[float]) -> str:
    return f"{' x '.join(map(str, spacing))} mm (z, y, x)"


def label_use(settings: Settings) -> list[str]:
    """What labels were used for that a new patient does not have, in sentences; empty: nothing.

    These are the labels of test cases, besides measuring, and those that a recipe withholds.
    """
    uses = []
    registering, cropping = mask_of(settings.registration), settings.preprocessing.crop.mask
    if registering and registering.label:
        uses.append("to lay the images of a case on each other")
    if cropping and cropping.label:
        uses.append("to crop the images")
    if not uses:
        return []
    said = [f"Labels of test cases were used {' and '.join(uses)}."]
    if any(settings.recipe_of(method).labelled is not None for method in settings.methods):
        said.append("So were labels that a training does not see.")
    return [*said, "A new patient has none, so the values are not what such a patient would get."]


def _cropped(chosen: PreprocessingSettings) -> list[str]:
    mask = chosen.crop.mask
    if mask is None:
        return []
    structure = (
        f"the reference label (values {', '.join(map(str, mask.label))}), also in test cases"
        if mask.label
        else f"a structure predicted by study {mask.study}, by models that had not seen the patient"
    )
    masked = "" if chosen.crop.outside is None else "; voxels outside it were blanked"
    return [f"Images were cropped to the box of {structure}{masked}."]


def _intensities(chosen: PreprocessingSettings) -> str:
    low, high = chosen.clip.range or chosen.clip.percentiles
    voxels = "voxels" if chosen.clip.by == "none" else "voxels inside these limits"
    clipped = _CLIPPED[chosen.clip.by].format(low=low, high=high)
    spacing = (
        _millimetres(chosen.spacing) if chosen.spacing else "the training cases' median spacing"
    )
    return (
        f"Intensities were {clipped} and {_NORMALISED[chosen.normalise].format(voxels=voxels)}; "
        f"images were resampled to {spacing}."
    )
