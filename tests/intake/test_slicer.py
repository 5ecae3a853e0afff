"""Segmentations as 3D Slicer writes them, made by hand: an NRRD image with keys on its segments."""

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.label_source import LabelSource
from remodal.intake.labels import read_label
from remodal.intake.slicer import is_slicer, read_slicer

GRID = Geometry((4, 5, 6), (0.7, 0.8, 2.5), (-100.0, 20.0, 30.0))


def seg_nrrd(path, layers, segments, keys=("Name", "LabelValue", "Layer"), first=(0, 0, 0)):
    """Write layers (z, y, x) whose first voxel is voxel `first` (x, y, z) of GRID."""
    stacked = np.stack(layers, axis=-1) if len(layers) > 1 else layers[0]
    image = sitk.GetImageFromArray(stacked, isVector=len(layers) > 1)
    image.SetSpacing(GRID.spacing)
    image.SetOrigin(tuple((GRID.affine @ [*first, 1])[:3]))
    sitk.WriteImage(image, str(path), True)
    raw = path.read_bytes().replace(b"kinds: vector", b"kinds: list")
    head, _, voxels = raw.partition(b"\n\n")
    for index, values in enumerate(segments):
        said = {"ID": f"Segment_{index + 1}", **dict(zip(("Name", "LabelValue", "Layer"), values))}
        for key in ("ID", *keys):
            head += f"\nSegment{index}_{key}:={said[key]}".encode()
    path.write_bytes(head + b"\nSegmentation_SourceRepresentation:=Binary labelmap\n\n" + voxels)
    return path


@pytest.fixture
def liver():
    array = np.zeros(GRID.shape, np.uint8)
    array[1:3, 1:4, 1:5] = 1
    return array


@pytest.fixture
def tumour():
    array = np.zeros(GRID.shape, np.uint8)
    array[2, 2:4, 4:6] = 1
    return array


def test_one_layer_keeps_the_values_of_the_file(liver, tumour, tmp_path):
    values = np.where(tumour, 7, liver).astype(np.uint8)
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [values], [("liver", 1, 0), ("tumour", 7, 0)])
    assert is_slicer(path)
    volume, warnings = read_slicer(path)
    np.testing.assert_array_equal(volume.array, values)
    assert volume.geometry.agrees_with(GRID)
    assert warnings == []


def test_the_box_that_holds_segments_is_put_in_its_place(liver, tmp_path):
    box = np.ascontiguousarray(liver[1:3, 1:4, 1:5])
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [box], [("liver", 1, 0)], first=(1, 1, 1))
    label = read_label(LabelSource((path,)), GRID)
    np.testing.assert_array_equal(label.volume.array, liver)
    assert label.kind == "Slicer segmentation"


def test_overlapping_segments_in_layers(liver, tumour, tmp_path):
    segments = [("tumour", 1, 1), ("liver", 1, 0)]
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [liver, tumour], segments)
    by_name, _ = read_slicer(path, [(1, "Liver"), (2, "Tumour")])
    np.testing.assert_array_equal(by_name.array, np.where(tumour, 2, liver))
    by_number, warnings = read_slicer(path)
    np.testing.assert_array_equal(by_number.array, np.where(liver, 2, tumour))
    assert warnings == ["segments share values: theirs are their numbers in the file"]


def test_layers_whose_values_differ_keep_them(liver, tumour, tmp_path):
    segments = [("liver", 1, 0), ("tumour", 2, 1)]
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [liver, tumour * np.uint8(2)], segments)
    volume, warnings = read_slicer(path)
    np.testing.assert_array_equal(volume.array, np.where(tumour, 2, liver))
    assert warnings == []


def test_older_files_have_a_layer_for_each_segment(liver, tumour, tmp_path):
    segments = [("liver", 1, 0), ("tumour", 1, 1)]
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [liver, tumour], segments, keys=("Name",))
    volume, _ = read_slicer(path, [(3, "tumour")])
    np.testing.assert_array_equal(volume.array, tumour * 3)


@pytest.mark.parametrize(
    ("segment", "wanted", "reason"),
    [
        (("liver", 1, 5), [], "segment 1 is in layer 5 of 1"),
        (("liver", "one", 0), [], "header is damaged"),
        (("liver", 300, 0), [], "structure number 300"),
        (("liver", 1, 0), [(1, "spleen")], "none of the 1 structures is named `spleen`"),
    ],
)
def test_what_is_wrong_is_told(segment, wanted, reason, liver, tmp_path):
    path = seg_nrrd(tmp_path / "l.seg.nrrd", [liver], [segment])
    with pytest.raises(BadCase, match=reason):
        read_slicer(path, wanted)


def test_another_nrrd_file_is_no_segmentation(liver, tmp_path):
    path = seg_nrrd(tmp_path / "l.nrrd", [liver], [])
    assert not is_slicer(path)
    assert not is_slicer(tmp_path / "l.nii")
