"""DICOM labels that claim or become more than their image can hold, or are cut short."""

import resource
import struct
import zlib

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.known_body import PIXEL, SHAPE, plane, segmentation, structure_set

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


@pytest.mark.parametrize(
    ("make", "undefined"), [(segmentation, False), (structure_set, False), (structure_set, True)]
)
def test_a_label_that_is_cut_anywhere_is_not_read_as_a_smaller_one(tmp_path, make, undefined):
    """Without a check pydicom passes over items of a sequence that are missing at the end."""
    whole, file = make(PLANES), tmp_path / "label.dcm"
    if undefined:
        whole["ROIContourSequence"].is_undefined_length = True
        whole.ROIContourSequence[0]["ContourSequence"].is_undefined_length = True
    whole.save_as(file, enforce_file_format=True)
    _, expected, _ = read_drawn(file, GRID)
    assert expected.any()
    data = file.read_bytes()
    refused = 0
    for length in range(200, len(data), 17):
        file.write_bytes(data[:length])
        try:
            _, array, _ = read_drawn(file, GRID)
        except BadCase:
            refused += 1
        else:
            np.testing.assert_array_equal(array, expected)
    assert refused > 20


def test_a_segmentation_of_more_frames_than_it_places_is_refused(tmp_path):
    whole = segmentation(PLANES)
    del whole.PerFrameFunctionalGroupsSequence[-1]
    whole.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    with pytest.raises(BadCase, match="has 6 frames, but says of 5 where they lie"):
        read_drawn(tmp_path / "seg.dcm", GRID)
