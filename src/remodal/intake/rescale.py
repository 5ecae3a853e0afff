"""Turn stored values into the modality's own: HU, or what the series says (PS3.3 C.11.1)."""

from collections import Counter

import numpy as np

from remodal.errors import BadCase
from remodal.intake.slices import Slice

_INT16 = np.iinfo(np.int16)
_AIR = -500  # HU: what lies below is air
_HU_WORDS = ("", "HU", "HU_MOD")


def check_rescale(slices: list[Slice]) -> None:
    """Check that all slices describe the rescaling of their values in the same way.

    Raises:
        BadCase: some slices lack what others have, a slope is 0, or there are a table and a
            rescale.
    """
    for keyword, field in {
        "RescaleIntercept (0028,1052)": "intercept",
        "RescaleSlope (0028,1053)": "slope",
        "ModalityLUTSequence (0028,3000)": "table",
    }.items():
        missing = sum(getattr(one, field) is None for one in slices)
        if 0 < missing < len(slices):
            raise BadCase(
                f"{keyword} missing in {missing} of {len(slices)} slices",
                expected="it in every slice or in none, since others would differ in their values",
                remedy="export the series again",
            )
    if any(one.slope == 0 for one in slices):
        raise BadCase("RescaleSlope is 0", expected="another number")
    if slices[0].table is not None and (slices[0].intercept, slices[0].slope) != (None, None):
        raise BadCase(
            "the slices have a Modality LUT Sequence and a rescale", expected="one of them"
        )


def rescaled(stored: np.ndarray, slices: list[Slice]) -> tuple[np.ndarray, list[str]]:
    """The series' values: int16 if they are whole numbers that fit, otherwise float32.

    A missing rescale changes nothing. One that changes from slice to slice is applied slice by
    slice, and so is a table of values.

    Args:
        stored: stored values (z, y, x), overwritten.
        slices: their slices, in order, which must have passed `check_rescale`.

    Returns:
        Values, and warnings.

    Raises:
        BadCase: a table that cannot be applied.
    """
    if slices[0].table is not None:
        return _mapped(stored, slices), ["the values come from a Modality LUT Sequence"]
    differs = len({(one.slope, one.intercept) for one in slices}) > 1
    told = ["the rescale differs from slice to slice (applied slice by slice)"] if differs else []
    return _linear(stored, slices), told


def _linear(stored: np.ndarray, slices: list[Slice]) -> np.ndarray:
    slopes = np.array([1.0 if one.slope is None else one.slope for one in slices])
    intercepts = np.array([one.intercept or 0.0 for one in slices])
    ends = np.stack([stored.min(axis=(1, 2)), stored.max(axis=(1, 2))]) * slopes + intercepts
    whole = np.all(slopes % 1 == 0) and np.all(intercepts % 1 == 0)
    if not whole or ends.min() < _INT16.min or ends.max() > _INT16.max:
        scaled = stored * slopes[:, None, None] + intercepts[:, None, None]
        return scaled.astype(np.float32)
    # Sixteen-bit arithmetic wraps around, so the result is right once it is known to fit.
    values = stored.view(np.int16) if stored.dtype.itemsize == 2 else stored.astype(np.int64)
    if np.any(slopes != 1):
        values = values * slopes.astype(np.int64).astype(values.dtype)[:, None, None]
    if len(set(intercepts.tolist())) > 1 or intercepts[0] != 0:
        np.add(values, intercepts.astype(np.int64).astype(values.dtype)[:, None, None], out=values)
    return values.astype(np.int16, copy=False)


def _mapped(stored: np.ndarray, slices: list[Slice]) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut

    from remodal.intake.headers import quiet_pydicom

    try:
        with quiet_pydicom():
            planes = [apply_modality_lut(plane, one.table) for plane, one in zip(stored, slices)]
    except Exception as error:
        # An incomplete table can make pydicom raise anything.
        raise BadCase(
            "the Modality LUT Sequence is incomplete", remedy="export the series again"
        ) from error
    values = np.stack(planes)
    return values.astype(np.int16 if values.max() <= _INT16.max else np.float32)


def check_units(values: np.ndarray, slices: list[Slice]) -> list[str]:
    """Warnings about a CT whose values may not be HU; other modalities get none.

    Raises:
        BadCase: the values cannot be HU: RescaleIntercept is missing, and no value is as low as
            air.
    """
    if slices[0].tags.get("Modality") != "CT":
        return []
    kinds = Counter(str(one.tags.get("RescaleType", "")) for one in slices)
    unusual = [kind for kind in kinds if kind.upper() not in _HU_WORDS]
    warnings = [f"RescaleType is {', '.join(unusual)}, not HU"] if unusual else []
    lowest = values.min()
    says_how = slices[0].intercept is not None
    if lowest > _AIR and not says_how:
        raise BadCase(
            f"RescaleIntercept (0028,1052) is missing and the lowest value is {lowest:g}: "
            "these are no HU",
            expected="CT values in HU, air at -1000",
            remedy="export the series again with its rescale, or as NIfTI in HU",
        )
    if not says_how:
        warnings.append(
            "RescaleIntercept (0028,1052) is missing: the values are taken as HU, "
            f"since they go down to {lowest:g}"
        )
    elif lowest > _AIR:
        warnings.append(f"no air in this CT: its lowest value is {lowest:g}; are these HU?")
    return warnings
