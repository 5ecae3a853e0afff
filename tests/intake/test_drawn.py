"""DICOM labels that claim or become more than their image can hold."""

import resource
import struct
import zlib

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.known_body import PIXEL, SHAPE, plane, segmentation

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.drawn import read_drawn

PLANES = [plane((0, 0, 5.0 * index)) for index in range(6)]
GRID = Geometry((6, *SHAPE), (PIXEL[1], PIXEL[0], 5.0))


def _memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_label_that_inflates_without_end_is_refused_in_little_memory(tmp_path):
    whole, file = segmentation(PLANES), tmp_path / "seg.dcm"
    whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    del whole["PixelData"]
    whole.save_as(file, enforce_file_format=True)
    data = file.read_bytes()
    content_at = 132 + 12 + struct.unpack_from("<I", data, 140)[0]
    pack = zlib.compressobj(level=1, wbits=-15)
    packed = pack.compress(zlib.decompress(data[content_at:], -15))
    packed += pack.compress(struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 2**29))
    packed += b"".join(pack.compress(bytes(1 << 20)) for _ in range(512)) + pack.flush()
    file.write_bytes(data[:content_at] + packed)
    before = _memory()
    with pytest.raises(BadCase, match="the DICOM label inflates to more than 64 MB"):
        read_drawn(file, GRID)
    assert _memory() - before < 300_000


@pytest.mark.parametrize("rows", [65535, 41])
def test_frames_larger_than_the_image_are_refused_before_they_are_decoded(rows, tmp_path):
    whole = segmentation(PLANES)
    whole.Rows = whole.Columns = rows
    whole.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    before = _memory()
    with pytest.raises(BadCase, match="frames of the segmentation lie outside the image"):
        read_drawn(tmp_path / "seg.dcm", GRID)
    assert _memory() - before < 100_000
