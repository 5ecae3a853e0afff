"""What nnU-Net's dataset.json says of labels: a study's classes, or its regions."""

from collections.abc import Mapping
from typing import Any

from remodal.errors import UserError
from remodal.settings import Settings


def described_labels(settings: Settings, *, regions: bool) -> dict[str, Any]:
    """`labels` of dataset.json and, of regions, `regions_class_order`.

    Labels are exported as class indices, since nnU-Net wants the values 0, 1, 2 ... A network that
    is trained on regions gives one mask for each; `regions_class_order` holds the values that these
    paint over one another, so a region comes after all that contain it.

    Args:
        settings: the study.
        regions: whether nnU-Net is to be trained on the regions instead of the classes.

    Raises:
        UserError: regions that overlap without one containing the other, or a class in none.
    """
    classes = {name: index for index, name in enumerate(settings.data.classes, 1)}
    if not regions:
        return {"labels": {"background": 0, **classes}}
    indices = {name: settings.data.indices_of(name) for name in settings.data.regions}
    _require_nested(indices)
    if missing := set(classes.values()) - {one for several in indices.values() for one in several}:
        name = next(name for name, index in classes.items() if index in missing)
        raise UserError(f"class `{name}` is in no region", where="data.regions")
    ordered = sorted(indices, key=lambda name: -len(indices[name]))
    painted = [_painted(name, indices) for name in ordered]
    labels = {name: sorted(indices[name]) for name in ordered}
    return {
        "labels": {"background": 0} | {n: v if v[1:] else v[0] for n, v in labels.items()},
        "regions_class_order": painted,
    }


def _require_nested(indices: Mapping[str, list[int]]) -> None:
    for name, one in indices.items():
        for other, two in indices.items():
            common = set(one) & set(two)
            if common and common not in (set(one), set(two)):
                raise UserError(
                    f"`{name}` and `{other}` overlap, and neither contains the other",
                    where="data.regions",
                    expected="regions that are nested or apart, as nnU-Net's must be",
                    remedy="export the classes (without --regions)",
                )


def _painted(region: str, indices: Mapping[str, list[int]]) -> int:
    """The value that stands for a region where none of the regions inside it is."""
    own = set(indices[region])
    inner = [set(one) for name, one in indices.items() if name != region and set(one) < own]
    return min(own.difference(*inner) or own)
