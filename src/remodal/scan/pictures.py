"""A small picture of a volume's middle slice, as a data URI."""

import base64
from io import BytesIO

import numpy as np

from remodal.errors import BadCase
from remodal.scan.grouping import Volume
from remodal.scan.pixels import read_planes

_WIDTH, _TALLEST = 220, 330  # pixels
_WINDOW = (-160.0, 240.0)  # HU
_QUALITY = 80


def picture(volume: Volume) -> str:
    """The middle slice as a JPEG: CT from -160 to 240 HU, MR from the 1st to the 99th percentile.

    Returns:
        A data URI; empty if the slice cannot be read.
    """
    try:
        (plane,) = read_planes(volume, [len(volume.instances) // 2])
    except BadCase:
        return ""
    low, high = _WINDOW if volume.get("Modality") == "CT" else np.percentile(plane, (1, 99))
    grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 255
    height = round(
        _WIDTH
        * volume.geometry.spacing[1]
        * plane.shape[0]
        / (volume.geometry.spacing[0] * plane.shape[1])
    )
    return _jpeg(grey.astype(np.uint8), (_WIDTH, int(np.clip(height, 1, _TALLEST))))


def _jpeg(grey: np.ndarray, size: tuple[int, int]) -> str:
    from PIL import Image

    written = BytesIO()
    Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).save(
        written, "JPEG", quality=_QUALITY
    )
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
