import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.codedict import codes

from remodal.errors import BadCase
from remodal.intake.label_source import LabelSource
from remodal.intake.labels import read_label
from remodal.intake.segments import read_segments
from remodal.intake.source_index import content_digest

LIVER, TUMOUR = 1, 2


@pytest.fixture
def masks() -> np.ndarray:
    """Boolean (z, y, x, segment): a liver, and a tumour inside it that reaches out of it."""
    masks = np.zeros((6, 32, 34, 2), bool)
    masks[1:5, 4:20, 5:25, 0] = True
    masks[2:4, 10:23, 9:14, 1] = True
    return masks


@pytest.fixture
def expected(masks) -> np.ndarray:
    return np.where(masks[..., 1], TUMOUR, np.where(masks[..., 0], LIVER, 0)).astype(np.uint8)


def _segment(slices, masks, kind="BINARY", **options) -> Segmentation:
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, label in ((LIVER, "liver"), (TUMOUR, "tumour"))
    ]
    return Segmentation(
        source_images=slices,
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=2,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="ACME",
        manufacturer_model_name="1",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def _sorted(slices):
    return sorted(slices, key=lambda one: one.ImagePositionPatient[2])


@pytest.mark.parametrize("omit_empty", [True, False])
def test_segments_are_painted_higher_number_last(
    omit_empty, image, masks, expected, write_series, tmp_path
):
    slices = _sorted(write_series(tmp_path / "series", image))
    seg = _segment(slices, masks, omit_empty_frames=omit_empty)
    seg.save_as(tmp_path / "label.dcm")
    label = read_label(LabelSource((tmp_path / "label.dcm",)), image.geometry)
    np.testing.assert_array_equal(label.volume.array, expected)
    assert label.volume.geometry == image.geometry
    assert (label.kind, label.warnings) == ("DICOM SEG", [])


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_are_taken_by_name_and_the_highest_value_wins(
    kind, image, masks, write_series, tmp_path, capsys
):
    slices = _sorted(write_series(tmp_path / "series", image))
    if kind == "LABELMAP":
        masks[..., 0] &= ~masks[..., 1]
    seg = _segment(slices, masks, kind)
    swapped = np.where(masks[..., 0], 5, np.where(masks[..., 1], 3, 0))
    array, _ = read_segments(seg, image.geometry, [(5, "Liver"), (3, "TUMOUR")])
    np.testing.assert_array_equal(array, swapped)
    alone, _ = read_segments(seg, image.geometry, [(1, "tumour")])
    np.testing.assert_array_equal(alone, masks[..., 1])
    with pytest.raises(BadCase, match=r"none of the 2 structures is named `spleen`; expected"):
        read_segments(seg, image.geometry, [(1, "spleen")])
    # Names may hold a patient's: only this job's log has them.
    assert "['liver', 'tumour']" in capsys.readouterr().err


def test_frames_find_their_slices_whatever_order_the_image_has(
    image, masks, expected, write_series, tmp_path
):
    slices = _sorted(write_series(tmp_path / "series", image))
    seg = _segment(slices[::-1], masks[::-1])
    array, _ = read_segments(seg, image.geometry)
    np.testing.assert_array_equal(array, expected)


def test_frames_that_are_turned_against_the_image(image, masks, expected, write_series, tmp_path):
    """A SEG drawn on the same scan stored with rows from the bottom and columns from the right."""
    geometry = image.geometry
    corner = tuple((geometry.affine @ [33, 31, 0, 1])[:3])
    direction = tuple((np.reshape(geometry.direction, (3, 3)) * [-1, -1, 1]).ravel())
    turned = type(geometry)(geometry.shape, geometry.spacing, corner, direction)
    flipped = type(image)(image.array[:, ::-1, ::-1], turned)
    slices = _sorted(write_series(tmp_path / "series", flipped))
    array, _ = read_segments(_segment(slices, masks[:, ::-1, ::-1]), geometry)
    np.testing.assert_array_equal(array, expected)


def test_fractional_segments_are_cut_at_half(image, masks, write_series, tmp_path):
    slices = _sorted(write_series(tmp_path / "series", image))
    fractions = masks * 0.6
    fractions[3] = masks[3] * 0.4
    seg = _segment(slices, fractions, "FRACTIONAL", max_fractional_value=200)
    array, warnings = read_segments(seg, image.geometry)
    assert set(np.unique(array[2])) == {0, LIVER, TUMOUR}
    assert not array[3].any()
    assert warnings == ["fractional segments, cut at half"]


def test_label_maps_hold_the_segment_numbers(image, expected, write_series, tmp_path):
    slices = _sorted(write_series(tmp_path / "series", image))
    array, _ = read_segments(_segment(slices, expected, "LABELMAP"), image.geometry)
    np.testing.assert_array_equal(array, expected)


def test_run_length_encoded_segments(image, masks, write_series, tmp_path):
    slices = _sorted(write_series(tmp_path / "series", image))
    rle = pydicom.uid.RLELossless
    seg = _segment(slices, masks.astype(float), "FRACTIONAL", transfer_syntax_uid=rle)
    seg.save_as(tmp_path / "label.dcm")
    label = read_label(LabelSource((tmp_path / "label.dcm",)), image.geometry)
    assert (label.volume.array > 0).sum() == masks.any(axis=-1).sum()


def _geometry(image, **changes):
    fields = {name: getattr(image.geometry, name) for name in ("shape", "spacing", "origin")}
    return type(image.geometry)(**{**fields, **changes})


def test_a_segmentation_of_another_series_is_refused(image, masks, write_series, tmp_path):
    seg = _segment(_sorted(write_series(tmp_path / "series", image)), masks)
    with pytest.raises(BadCase, match="beside the image's slices or pixels"):
        read_segments(seg, _geometry(image, origin=(-101.5, 20.25, -331.75)))
    with pytest.raises(BadCase, match="beside the image's slices or pixels"):
        read_segments(seg, _geometry(image, spacing=(0.75, 0.8, 2.5)))
    with pytest.raises(BadCase, match="outside the image"):
        read_segments(seg, _geometry(image, shape=(3, 32, 34)))


def test_segment_numbers_beyond_a_byte_are_refused(image, masks, write_series, tmp_path):
    seg = _segment(_sorted(write_series(tmp_path / "series", image)), masks)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 300
    with pytest.raises(BadCase, match="structure number 300"):
        read_segments(seg, image.geometry)


@pytest.mark.parametrize("keep", [200, 2000, -40])
def test_a_truncated_segmentation_is_refused(keep, image, masks, write_series, tmp_path):
    seg = _segment(_sorted(write_series(tmp_path / "series", image)), masks)
    seg.save_as(tmp_path / "label.dcm")
    (tmp_path / "label.dcm").write_bytes((tmp_path / "label.dcm").read_bytes()[:keep])
    with pytest.raises(BadCase, match=r"damaged|cut short|holds no label"):
        read_label(LabelSource((tmp_path / "label.dcm",)), image.geometry)


def test_a_segmentation_is_found_beside_other_files(image, masks, expected, write_series, tmp_path):
    slices = _sorted(write_series(tmp_path / "label", image))
    _segment(slices, masks).save_as(tmp_path / "label" / "segmentation.dcm")
    (tmp_path / "label" / "notes.txt").write_text("drawn by a person")
    label = read_label(LabelSource((tmp_path / "label",)), image.geometry)
    np.testing.assert_array_equal(label.volume.array, expected)
    assert label.kind == "DICOM SEG"
    assert label.sha256 == content_digest(tmp_path / "label")


def test_several_segmentations_in_a_folder_are_refused(image, masks, write_series, tmp_path):
    slices = _sorted(write_series(tmp_path / "series", image))
    (tmp_path / "label").mkdir()
    for name in "ab":
        _segment(slices, masks).save_as(tmp_path / "label" / f"{name}.dcm")
    with pytest.raises(BadCase, match="2 SEGs and RTSTRUCTs in one folder"):
        read_label(LabelSource((tmp_path / "label",)), image.geometry)
