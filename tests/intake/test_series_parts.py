"""Several images at the same places in one series: told apart, and chosen by number."""

from copy import deepcopy

import numpy as np
import pytest
from pydicom.dataset import Dataset

from remodal.errors import BadCase
from remodal.intake.datasets import CaseSource
from remodal.intake.dicom import read_series
from remodal.intake.inspection import inspect_sources


@pytest.fixture
def several(image, write_series, tmp_path):
    """A function that writes three images into one series, each slice after a change."""

    def write(change, folder="scan"):
        uids = {}
        for number in range(3):

            def changed(dataset, index, number=number):
                for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
                    setattr(dataset, keyword, uids.setdefault(keyword, dataset[keyword].value))
                change(dataset, index, number)

            volume = image.with_array(image.array + np.int16(number))
            write_series(tmp_path / folder / str(number), volume, changed)
        return tmp_path / folder

    return write


def _temporal(dataset, index, number):
    dataset.TemporalPositionIdentifier = number + 1


def _cardiac(dataset, index, number):
    dataset.TriggerTime = str(250.5 * number)
    dataset.ContentTime = f"12{index:02}{number:02}"


def _echo(dataset, index, number):
    dataset.EchoTime = 4.2 * (number + 1)


def _diffusion(dataset, index, number):
    dataset.DiffusionBValue = (0.0, 50.0, 800.0)[number]


def _kernel(dataset, index, number):
    dataset.ConvolutionKernel = ("B30f", "B60f", "B70f")[number]


def _acquisition(dataset, index, number):
    dataset.AcquisitionNumber = number + 1


def _words(dataset, index, number):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", ("IN_PHASE", "OUT_PHASE", "WATER")[number]]


def _order(dataset, index, number):
    dataset.InstanceNumber = 10 * number + index


def _tables(dataset, index, number):
    """Acquisition numbers that also differ along the slices."""
    dataset.AcquisitionNumber = 2 * number + (index > 2)
    dataset.SeriesTime = f"1{number}0000"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_temporal, r"temporal position: `#.1` \(temporal position 1, 6 slices\)"),
        (_cardiac, r"trigger time: .*`#.2` \(trigger time 250.5, 6 slices\)"),
        (_echo, r"echo time: `#.1` \(echo time 4.2, 6 slices\)"),
        (_diffusion, r"b-value: .* `#.3` \(b-value 800, 6 slices\)"),
        (_kernel, r"kernel: `#.1` \(6 slices\)"),
        (_acquisition, "acquisition number: "),
        (_words, "image type: "),
        (_order, r"nothing but their order: `#.1` \(6 slices\)"),
        (_tables, r"series time: `#.1` \(6 slices\)"),
    ],
)
def test_images_at_the_same_places_are_told_apart_and_chosen(change, told, several, image):
    folder = several(change)
    with pytest.raises(BadCase, match=f"3 images at the same places .* told apart by {told}"):
        read_series(folder)
    for number in range(3):
        place = number + 1
        for source in (f"{folder}#.{place}", f"{folder}#1.{place}"):
            series = read_series(type(folder)(source))
            np.testing.assert_array_equal(series.volume.array, image.array + np.int16(number))
            assert any(note.startswith(f"image {place} of 3 images") for note in series.warnings)
    with pytest.raises(BadCase, match=r"there is no image 4, but 3 images .*; expected `#.1` to"):
        read_series(type(folder)(f"{folder}#.4"))


def test_a_series_of_one_image_has_no_second(image, write_series, tmp_path):
    write_series(tmp_path / "scan", image)
    with pytest.raises(BadCase, match="there is no image 2, but 1 image"):
        read_series(tmp_path / "scan#.2")
    series = read_series(tmp_path / "scan#.1")
    np.testing.assert_array_equal(series.volume.array, image.array)


def test_times_of_the_day_are_not_shown(several):
    def change(dataset, index, number):
        dataset.AcquisitionTime = f"0{number}4711"

    with pytest.raises(BadCase, match="told apart by acquisition time") as refused:
        read_series(several(change))
    assert "4711" not in str(refused.value)


def test_the_check_says_how_to_choose(several):
    folder = several(_temporal)
    cases = [
        CaseSource(name, name, "", {"venous": type(folder)(f"{folder}{end}")}, {})
        for name, end in (("c1", ""), ("c2", "#.2"))
    ]
    first, second = inspect_sources(cases, {})
    assert "add its number to the path in the sheet, as in `#.1`" in first.said
    assert (first.usable, second.usable) == (False, True)
    assert second.said == "DICOM series, 34 x 32 x 6 voxels of 0.7 x 0.8 x 2.5 mm"


def _group(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return [item]


@pytest.mark.parametrize(
    ("sequence", "elements"),
    [
        ("FrameContentSequence", [{"TemporalPositionIndex": number + 1} for number in range(3)]),
        ("FrameContentSequence", [{"StackID": str(number + 1)} for number in range(3)]),
        ("MREchoSequence", [{"EffectiveEchoTime": 2.5 * number} for number in range(3)]),
        ("MRDiffusionSequence", [{"DiffusionBValue": 400.0 * number} for number in range(3)]),
        (
            "CardiacSynchronizationSequence",
            [{"NominalPercentageOfCardiacPhase": 30.0 * number} for number in range(3)],
        ),
        ("FrameContentSequence", [{} for number in range(3)]),
    ],
    ids=["temporal", "stacks", "echoes", "diffusion", "cardiac", "order of the frames"],
)
def test_the_frames_of_an_enhanced_image_are_several_images(
    sequence, elements, image, write_series, write_enhanced, tmp_path
):
    slices = write_series(tmp_path / "slices", image)
    several = [(index, number) for number in range(3) for index in range(len(slices))]
    copies = []
    for index, number in several:
        one = deepcopy(slices[index])
        values = image.array[index].astype(int) + 1024 + number
        one.PixelData = values.astype("<u2").tobytes()
        copies.append(one)
    whole = write_enhanced(copies)
    for frame, (_, number) in zip(whole.PerFrameFunctionalGroupsSequence, several):
        setattr(frame, sequence, _group(**elements[number]))
    (tmp_path / "enhanced").mkdir()
    whole.save_as(tmp_path / "enhanced/image", enforce_file_format=True)
    with pytest.raises(BadCase, match="3 images at the same places in one series"):
        read_series(tmp_path / "enhanced/image")
    for number in range(3):
        for source in ("enhanced", "enhanced/image"):
            found = read_series(tmp_path / f"{source}#.{number + 1}").volume
            np.testing.assert_array_equal(found.array, image.array + np.int16(number))
