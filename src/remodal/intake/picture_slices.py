"""Labels drawn as pictures, one file for each slice of the image, such as a folder of PNG files.

Pictures have no place in space. Their names are in the order of the image's slices along the normal
of these (rows x columns), which is the order of an image's z axis after its conversion.
"""

from pathlib import Path

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry

_SUFFIX = ".png"


def pictures_of(source: Path) -> list[Path]:
    """The pictures of a folder, by name; none if it holds no picture, or is no folder."""
    return sorted(source.glob(f"*{_SUFFIX}")) if source.is_dir() else []


def read_pictures(files: list[Path], grid: Geometry) -> np.ndarray:
    """Stack pictures as the slices of an image.

    Args:
        files: in the order of the slices.
        grid: the image's grid.

    Returns:
        Grey values (z, y, x).

    Raises:
        BadCase: damaged or coloured pictures, or another number or size than the image's slices.
    """
    import SimpleITK as sitk

    try:
        slices = [sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in files]
    except RuntimeError as error:
        raise BadCase("a picture of the label is damaged", expected="PNG files") from error
    shapes = sorted({array.shape for array in slices})
    if any(len(shape) != 2 for shape in shapes):
        raise BadCase("the label's pictures are in colour", expected="one grey value a pixel")
    _, rows, columns = grid.shape
    if len(files) != grid.shape[0] or shapes != [(rows, columns)]:
        told = " and ".join(f"{height} x {width}" for height, width in shapes)
        raise BadCase(
            f"the label has {len(files)} pictures of {told} pixels",
            expected=f"{grid.shape[0]} of {rows} x {columns}, as the image has slices",
        )
    return np.stack(slices)
