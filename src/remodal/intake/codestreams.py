"""Compressed frames: what their own headers say about them, and JPEG decoded by GDCM.

A codestream states its own size, so a corrupt DICOM header is noticed before memory is allocated.
"""

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Start-of-frame markers of JPEG (ITU T.81, table B.1) and JPEG-LS (T.87).
_FRAME_STARTS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_JPEG_2000 = b"\xff\x4f\xff\x51"  # start of codestream, then its size (T.800 A.4, A.5)
_BOXES = 512  # bytes within which JP2's boxes end and the codestream begins


@dataclass(frozen=True)
class Codestream:
    """Size of a frame as its codestream says; `precision` is in bits."""

    rows: int
    columns: int
    samples: int
    precision: int


def described(frame: bytes) -> Codestream | None:
    """What a JPEG, JPEG-LS or JPEG 2000 frame says about itself; None for anything else."""
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg(frame)
        at = frame.find(_JPEG_2000, 0, _BOXES)
        return None if at < 0 else _jpeg_2000(frame, at)
    except (struct.error, IndexError):
        return None


def _jpeg(frame: bytes) -> Codestream | None:
    at = 2
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in _FRAME_STARTS:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            return Codestream(rows, columns, samples, precision)
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None


def _jpeg_2000(frame: bytes, at: int) -> Codestream:
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    samples = struct.unpack_from(">H", frame, at + 40)[0]
    return Codestream(bottom - top, right - left, samples, (frame[at + 42] & 0x7F) + 1)


def decoded_by_gdcm(frame: bytes, syntax: str) -> np.ndarray:
    """Decode one grey JPEG frame with the GDCM in SimpleITK.

    The frame is put into a file that has no rescale and no sign, since GDCM would apply them by
    rules that depend on the kind of image.

    Args:
        frame: compressed bytes of a kind that `described` recognises.
        syntax: transfer syntax UID.

    Returns:
        Array (rows, columns) of the values as unsigned numbers of 8 or 16 bits.

    Raises:
        RuntimeError, ValueError: the frame is damaged.
    """
    import SimpleITK as sitk
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    stream = described(frame)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stream.rows, stream.columns
    dataset.BitsAllocated = 8 if stream.precision <= 8 else 16
    dataset.BitsStored, dataset.HighBit = stream.precision, stream.precision - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.dcm"
        dataset.save_as(file, enforce_file_format=True)
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))
    return array.reshape(stream.rows, stream.columns)
