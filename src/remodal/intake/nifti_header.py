"""NIfTI headers, versions 1 and 2: what they say about the voxels, checked.

NIfTI-1: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, NIfTI-2:
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h. A header that different readers would understand
differently is refused, or read with a warning that says how it was understood.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.nifti_place import place_of

VERSION_1 = np.dtype(
    [
        ("sizeof_hdr", "<i4"),
        ("unused", "V35"),
        ("dim_info", "u1"),
        ("dim", "<i2", 8),
        ("intent", "V12"),
        ("intent_code", "<i2"),
        ("datatype", "<i2"),
        ("bitpix", "<i2"),
        ("slice_start", "<i2"),
        ("pixdim", "<f4", 8),
        ("vox_offset", "<f4"),
        ("scl_slope", "<f4"),
        ("scl_inter", "<f4"),
        ("slice_end", "<i2"),
        ("slice_code", "u1"),
        ("xyzt_units", "u1"),
        ("display", "V24"),
        ("text", "V104"),
        ("qform_code", "<i2"),
        ("sform_code", "<i2"),
        ("quaternion", "<f4", 3),
        ("offset", "<f4", 3),
        ("affine", "<f4", (3, 4)),
        ("intent_name", "V16"),
        ("magic", "S4"),
    ]
)
_VERSION_2 = np.dtype(
    [
        ("sizeof_hdr", "<i4"),
        ("magic", "S8"),
        ("datatype", "<i2"),
        ("bitpix", "<i2"),
        ("dim", "<i8", 8),
        ("intent", "V24"),
        ("pixdim", "<f8", 8),
        ("vox_offset", "<i8"),
        ("scl_slope", "<f8"),
        ("scl_inter", "<f8"),
        ("display", "V48"),
        ("text", "V104"),
        ("qform_code", "<i4"),
        ("sform_code", "<i4"),
        ("quaternion", "<f8", 3),
        ("offset", "<f8", 3),
        ("affine", "<f8", (3, 4)),
        ("slice_code", "<i4"),
        ("xyzt_units", "<i4"),
        ("intent_code", "<i4"),
        ("intent_name", "V16"),
        ("dim_info", "u1"),
        ("unused", "V15"),
    ]
)
#: Number of leading bytes from which any header can be parsed.
LONGEST = _VERSION_2.itemsize
#: Magic of a header with its voxels in the same file, and in an `.img` beside it.
_SINGLE, _PAIR = (b"n+1", b"n+2\0\r\n\x1a\n"), (b"ni1", b"ni2\0\r\n\x1a\n")
CODES = {
    "uint8": 2,
    "int16": 4,
    "int32": 8,
    "float32": 16,
    "float64": 64,
    "int8": 256,
    "uint16": 512,
    "uint32": 768,
    "int64": 1024,
    "uint64": 1280,
}
_TYPES = {code: np.dtype(name) for name, code in CODES.items()}
_REFUSED_TYPES = {
    1: "single bits",
    32: "complex numbers",
    128: "RGB colours",
    1536: "128-bit floats",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "RGBA colours",
}
_LEAST_SLOPE = 1e-15  # some readers apply smaller slopes, others treat them as unset


@dataclass(frozen=True)
class NiftiHeader:
    """What a header says.

    `number_format` has the file's byte order. `voxels_at` is the first byte of the image's voxels
    in their file, which is the `.img` beside the header if `detached`; `images` more follow there.
    `slope` and `intercept` are 1 and 0 if the file has none.
    """

    geometry: Geometry
    number_format: np.dtype
    voxels_at: int
    images: int
    detached: bool
    slope: float
    intercept: float
    warnings: list[str]

    @property
    def size(self) -> int:
        """Bytes of all voxels."""
        x, y, z = (int(length) for length in self.geometry.shape)
        return x * y * z * self.number_format.itemsize

    @property
    def follows(self) -> int:
        """Bytes of the images after this one."""
        return self.images * self.size


def parse_header(raw: bytes, name: str, number: int | None = None) -> NiftiHeader:
    """Read and check a header.

    Args:
        raw: the first `LONGEST` bytes of the file, fewer if it is shorter.
        name: the file's name, for messages.
        number: of the image meant, from 0 on; None: the file holds one.

    Raises:
        BadCase: not a NIfTI header, or one that cannot be used.
    """
    try:
        with np.errstate(all="ignore"):
            return _checked(_recognised(raw), number)
    except BadCase as error:
        raise BadCase(
            error.what, where=name, expected=error.expected, remedy=error.remedy
        ) from error


def _checked(header: np.void, number: int | None) -> NiftiHeader:
    detached = bytes(header["magic"]) in _PAIR
    shape, images = _shape(header, number)
    slope, intercept, scaling = _scale(header)
    geometry, placing = place_of(header, shape)
    number, number_format = number or 0, _number_format(header)
    return NiftiHeader(
        geometry=geometry,
        number_format=number_format,
        voxels_at=_voxels_at(header, detached) + number * prod(shape) * number_format.itemsize,
        images=images - 1 - number,
        detached=detached,
        slope=slope,
        intercept=intercept,
        warnings=[*_intent(header), *scaling, *placing],
    )


def _recognised(raw: bytes) -> np.void:
    for layout in (
        VERSION_1,
        VERSION_1.newbyteorder(">"),
        _VERSION_2,
        _VERSION_2.newbyteorder(">"),
    ):
        size = layout.itemsize
        if len(raw) >= 4 and int(np.frombuffer(raw, layout["sizeof_hdr"], 1)[0]) == size:
            break
    else:
        raise BadCase("cannot be read as an image", expected="NIfTI, NRRD or MHA")
    if len(raw) < size:
        raise BadCase("is cut short")
    header = np.frombuffer(raw, layout, 1)[0]
    if bytes(header["magic"]) not in (*_SINGLE, *_PAIR):
        if size == VERSION_1.itemsize and not header["magic"]:
            raise BadCase(
                "is in the Analyze format, which has no orientation",
                expected="NIfTI",
                remedy="convert the original images again",
            )
        raise BadCase("cannot be read as an image", expected="NIfTI, NRRD or MHA")
    return header


def _shape(header: np.void, number: int | None) -> tuple[tuple[int, int, int], int]:
    """(z, y, x) of an image, and how many images there are."""
    dimensions = int(header["dim"][0])
    known = range(1, 8)
    sizes = [int(header["dim"][axis]) for axis in known if axis <= dimensions in known]
    images = prod(sizes[3:])
    if len(sizes) < 3 or min(sizes) < 1 or (images > 1 and number is None):
        shape = " x ".join(map(str, sizes)) or f"{dimensions}-dimensional"
        several = len(sizes) > 3 and min(sizes) > 0
        raise BadCase(
            f"the image is {shape}",
            expected="one 3-D image a file",
            remedy="write the number of the one that is meant behind the path, from `#0` on"
            if several
            else "",
        )
    if number is not None and number >= images:
        raise BadCase(f"there is no image {number}", expected=f"0 to {images - 1}")
    x, y, z = sizes[:3]
    return (z, y, x), images


def _number_format(header: np.void) -> np.dtype:
    code, bits = int(header["datatype"]), int(header["bitpix"])
    if code in _REFUSED_TYPES:
        raise BadCase(
            f"the voxels are {_REFUSED_TYPES[code]}",
            expected="one number per voxel",
            remedy="export the magnitude, or a grey-scale image",
        )
    if code not in _TYPES:
        raise BadCase(f"unknown number format {code}", expected="a NIfTI data type")
    if bits not in (0, _TYPES[code].itemsize * 8):
        raise BadCase(
            f"the header contradicts itself: {_TYPES[code]} of {bits} bits",
            remedy="export the image again",
        )
    order = header.dtype["sizeof_hdr"].byteorder
    return _TYPES[code].newbyteorder("<" if order == "=" else order)


def _voxels_at(header: np.void, detached: bool) -> int:
    offset = float(header["vox_offset"])
    # Header and four bytes that say whether extensions follow (NIfTI-1 and -2).
    least = 0 if detached else header.dtype.itemsize + 4
    if not np.isfinite(offset) or offset != int(offset) or offset < least:
        raise BadCase(
            f"the voxels begin at byte {offset:g} (vox_offset)",
            expected=f"a whole number from {least} on",
            remedy="write the file again with another program: readers differ in what this means",
        )
    return int(offset)


def _scale(header: np.void) -> tuple[float, float, list[str]]:
    """Slope, intercept, warnings."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isnan(slope) or slope == 0:
        # A slope of 0 means that there is none (NIfTI-1 standard).
        doubtful = np.isnan(slope) or intercept != 0
        said = f"scl_slope is {slope:g} and scl_inter {intercept:g}: the stored values are used"
        return 1.0, 0.0, [said] if doubtful else []
    if not _LEAST_SLOPE < abs(slope) < np.inf or not np.isfinite(intercept):
        raise BadCase(
            f"scl_slope is {slope:g} and scl_inter {intercept:g}",
            expected="finite numbers, and a slope that is not vanishingly small",
            remedy="export the image again",
        )
    return slope, intercept, []


def _intent(header: np.void) -> list[str]:
    # NIFTI_INTENT_NONE, _ESTIMATE, _LABEL.
    if (code := int(header["intent_code"])) in (0, 1001, 1002):
        return []
    return [f"the header says that the voxels are no intensities (intent_code {code})"]
