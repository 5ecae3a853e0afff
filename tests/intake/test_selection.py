import numpy as np
import pydicom
import pytest

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.convert import convert_image
from remodal.intake.dicom import read_series
from remodal.intake.nifti import read_volume
from remodal.intake.source_files import is_there, path_and_number
from remodal.intake.source_index import content_digest, source_state


def _put(folder, *series):
    """Copy written series into one folder under names that mix them."""
    folder.mkdir()
    for number, one in enumerate(series):
        for index, file in enumerate(sorted(one.iterdir())):
            (folder / f"{index:02d}-{number}.dcm").write_bytes(file.read_bytes())
    return folder


def _set(**values):
    def change(dataset, index):
        for keyword, value in values.items():
            setattr(dataset, keyword, value(index) if callable(value) else value)

    return change


def _numbered(folder, number):
    """A path as the sheet has it."""
    return folder.parent / f"{folder.name}#{number}"


@pytest.fixture
def two_series(image, write_series, tmp_path):
    """Series 4 and 7 in one folder, the second of another thickness and content."""
    other = image.with_array(image.array[::-1] + np.int16(1))
    write_series(tmp_path / "four", image, _set(SeriesNumber=4))
    write_series(
        tmp_path / "seven",
        other,
        _set(SeriesNumber=7, SliceThickness=5, SeriesDescription="venous for Jane Doe"),
        skip=(4, 5),
    )
    return _put(tmp_path / "both", tmp_path / "four", tmp_path / "seven")


def test_several_series_are_named_with_how_to_pick_one(two_series):
    with pytest.raises(BadCase) as caught:
        read_series(two_series)
    assert str(caught.value) == (
        "2 series in one folder: number 4 (6 slices of 2.5 mm), number 7 (4 slices of 5 mm); "
        "expected one series; add the number of one to its path in the sheet (`#4`), "
        "or put each series into a folder of its own"
    )


def test_descriptions_are_shown_at_the_terminal_only(two_series, capsys, monkeypatch):
    with pytest.raises(BadCase) as caught:
        read_series(two_series)
    assert "Jane" not in str(caught.value) + capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with pytest.raises(BadCase) as caught:
        read_series(two_series)
    assert "Jane" not in str(caught.value)
    assert "number 7 (4 slices of 5 mm): venous for Jane Doe" in capsys.readouterr().err


def test_a_series_is_picked_by_its_number(two_series, image):
    np.testing.assert_array_equal(read_series(_numbered(two_series, 4)).volume.array, image.array)
    assert read_series(_numbered(two_series, 7)).volume.geometry.shape == (4, 32, 34)
    with pytest.raises(BadCase, match=r"no series has the number 5, but number 4 .* number 7"):
        read_series(_numbered(two_series, 5))


def test_series_of_one_number_must_be_put_apart(image, write_series, tmp_path):
    write_series(tmp_path / "one", image)
    write_series(tmp_path / "two", image, skip=(0, 1))
    with pytest.raises(BadCase) as caught:
        read_series(tmp_path)
    assert "number 1 (6 slices of 2.5 mm), number 1 (4 slices" in str(caught.value)
    assert "#" not in str(caught.value)


def _picture(**values):
    """A change that makes a slice what a workstation captures."""

    def change(dataset, index):
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
        dataset.SeriesNumber = 999
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            delattr(dataset, keyword)
        _set(**values)(dataset, index)

    return change


def _colour(index):
    return np.zeros((32, 34, 3), np.uint8).tobytes()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (_picture(), "left out: pictures (6)"),
        (_picture(SeriesInstanceUID=""), "left out: pictures (6)"),
        (
            _picture(
                SamplesPerPixel=3,
                PhotometricInterpretation="RGB",
                PlanarConfiguration=0,
                BitsAllocated=8,
                BitsStored=8,
                HighBit=7,
                PixelData=_colour,
            ),
            "left out: pictures (6)",
        ),
        (
            # The protocol page of a scanner is a CT image without a place.
            _picture(
                SOPClassUID="1.2.840.10008.5.1.4.1.1.2", ImageType=["DERIVED", "SECONDARY", "PROT"]
            ),
            "left out: images without a place (6)",
        ),
        (_set(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "left out: localizers (6)"),
        (_set(ImageType=["ORIGINAL", "PRIMARY", "SCOUT"]), "left out: localizers (6)"),
        (_set(Modality="SR"), "left out: DICOM objects without a slice (6)"),
    ],
)
def test_what_is_no_part_of_the_series_is_left_out_and_told(
    change, note, image, write_series, tmp_path
):
    write_series(tmp_path / "series", image)
    write_series(tmp_path / "others", image, change)
    series = read_series(_put(tmp_path / "both", tmp_path / "series", tmp_path / "others"))
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == [note]


def test_a_folder_of_pictures_only_is_refused_for_what_they_lack(image, write_series, tmp_path):
    write_series(tmp_path, image, _picture())
    with pytest.raises(BadCase, match=r"ImagePositionPatient .* missing in 6 of 6"):
        read_series(tmp_path)


def test_a_localizer_of_many_slices_is_read_when_it_is_alone(image, write_series, tmp_path):
    write_series(tmp_path, image, _set(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    np.testing.assert_array_equal(read_series(tmp_path).volume.array, image.array)


BLANK = {"SeriesInstanceUID": "", "StudyInstanceUID": "", "FrameOfReferenceUID": ""}


@pytest.fixture
def interleaved(image, write_series, tmp_path):
    """A function that writes two series with blank UIDs, half a step apart, into one folder."""

    def write(first, second, volumes=(image, image)):
        old = image.geometry
        half = Geometry(old.shape, old.spacing, (*old.origin[:2], old.origin[2] + 1.25))
        shifted = type(image)(volumes[1].array, half)
        write_series(tmp_path / "one", volumes[0], _set(**BLANK, **first))
        write_series(tmp_path / "two", shifted, _set(**BLANK, **second))
        return _put(tmp_path / "both", tmp_path / "one", tmp_path / "two")

    return write


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"SeriesNumber": 3}, {"SeriesNumber": 4}),
        ({"SeriesDescription": "arterial"}, {"SeriesDescription": "venous"}),
        ({"SeriesTime": "120000"}, {"SeriesTime": "120100"}),
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B60f"}),
        ({"SliceThickness": 2.5}, {"SliceThickness": 3}),
        ({"EchoTime": 5}, {"EchoTime": 10}),
        ({"ContrastBolusAgent": ""}, {"ContrastBolusAgent": "iodine"}),
    ],
)
def test_blank_uids_do_not_let_two_series_interleave(first, second, interleaved):
    with pytest.raises(BadCase, match=r"2 series in one folder: .* \(6 slices .* \(6 slices"):
        read_series(interleaved(first, second))


def test_series_with_blank_uids_are_picked_by_number(interleaved, image):
    folder = interleaved({"SeriesNumber": 3}, {"SeriesNumber": 4})
    np.testing.assert_array_equal(read_series(_numbered(folder, 3)).volume.array, image.array)


@pytest.mark.parametrize("numbers", [(1, 1), (1, 101), (101, 1), (1, -100)])
def test_blank_uids_with_mixed_instance_numbers_are_refused(numbers, interleaved):
    first, second = (
        {"InstanceNumber": lambda index, start=start: start + index} for start in numbers
    )
    with pytest.raises(BadCase, match="instance numbers do not run along the slices"):
        read_series(interleaved(first, second))


def _smooth(image, contrast):
    """A body that changes little from slice to slice, in one phase."""
    z, y, x = np.mgrid[:6, :32, :34]
    body = (y - 16) ** 2 + (x - 17 + 0.2 * z) ** 2 < 150
    organ = (y - 14) ** 2 + (x - 15 + 0.2 * z) ** 2 < 30
    noise = np.random.default_rng(1 + contrast).normal(0, 10, body.shape)
    return image.with_array((-1000 + 1040 * body + contrast * organ + noise).astype(np.int16))


@pytest.mark.parametrize(("contrasts", "mixed"), [((100, 0), True), ((50, 50), False)])
def test_without_uids_and_numbers_the_content_decides(contrasts, mixed, image, interleaved):
    nothing = {"InstanceNumber": ""}
    folder = interleaved(nothing, nothing, [_smooth(image, contrast) for contrast in contrasts])
    if mixed:
        with pytest.raises(BadCase, match="more like the next but one than like the next"):
            read_series(folder)
        return
    assert read_series(folder).warnings == [
        "nothing but their places says that the slices are one series "
        "(SeriesInstanceUID and InstanceNumber are blank)"
    ]


@pytest.mark.parametrize(
    "change",
    [
        _set(**BLANK, AcquisitionNumber=lambda index: 1 + index // 3),
        _set(**BLANK, AcquisitionNumber=lambda index: 2 - (index == 2)),
        _set(**BLANK, InstanceNumber=lambda index: index),
        _set(**BLANK, InstanceNumber=lambda index: 40 - 2 * index),
    ],
    ids=["parts follow one another", "one odd slice", "upwards", "downwards"],
)
def test_one_series_with_blank_uids_stays_one(change, image, write_series, tmp_path):
    write_series(tmp_path, image, change)
    series = read_series(tmp_path)
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == []


def test_a_single_file_of_a_series_is_told_to_be_one_of_many(image, write_series, tmp_path):
    write_series(tmp_path, image)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadCase) as caught:
        read_series(sorted(tmp_path.glob("*.dcm"))[2])
    assert str(caught.value) == (
        "the file is one slice; 5 more of its series lie beside it; "
        "expected all slices of the series; name the folder instead of the file"
    )


def test_a_single_file_without_others_has_one_slice(image, write_series, tmp_path):
    write_series(tmp_path, image, skip=range(1, 6))
    with pytest.raises(BadCase, match="the series has 1 slice"):
        read_series(next(tmp_path.iterdir()))


def test_links_to_folders_are_followed_once(image, write_series, tmp_path):
    write_series(tmp_path / "store" / "series", image)
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "store", target_is_directory=True)
    (folder / "link again").symlink_to(tmp_path / "store" / "series", target_is_directory=True)
    (tmp_path / "store" / "loop").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "store" / "around").symlink_to(tmp_path, target_is_directory=True)
    (folder / "itself").symlink_to(folder, target_is_directory=True)
    series = read_series(folder)
    np.testing.assert_array_equal(series.volume.array, image.array)
    assert series.warnings == []


def test_a_sub_folder_that_may_not_be_read_is_not_passed_over(
    image, write_series, tmp_path, monkeypatch
):
    write_series(tmp_path / "a", image)
    (tmp_path / "b").mkdir()
    scandir = __import__("os").scandir

    def forbidden(folder):
        if str(folder).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("os.scandir", forbidden)
    with pytest.raises(PermissionError):
        read_series(tmp_path)


def test_a_damaged_sibling_does_not_hide_the_others(image, write_series, tmp_path):
    write_series(tmp_path, image)
    files = sorted(tmp_path.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:200])
    assert pydicom.dcmread(files[1]).Rows == 32
    with pytest.raises(BadCase, match="4 more of its series"):
        read_series(files[1])


def test_a_picked_series_goes_from_the_sheet_into_the_record(two_series, image, tmp_path):
    source = _numbered(two_series, 4)
    output, record = tmp_path / "image.nii.gz", tmp_path / "image.json"
    digest = content_digest(source)
    found = convert_image(source, output, record, case="c1", modality="ct", indexed=digest)
    np.testing.assert_array_equal(read_volume(output).array, image.array)
    assert found.details["sha256"] == digest == content_digest(two_series)
    state = source_state([source], {})
    assert "not there" not in state
    (two_series / "00-0.dcm").touch()
    assert source_state([source], {}) != state


def test_a_number_behind_a_file_of_one_image_or_nothing_is_no_choice(tmp_path):
    (tmp_path / "a.mha").write_text("x")
    (tmp_path / "b#4").mkdir()
    for name in ("a.mha#4", "nowhere#4", "b#4", "b"):
        assert path_and_number(tmp_path / name) == (tmp_path / name, None)
    assert path_and_number(tmp_path / "b#4" / "#4") == (tmp_path / "b#4", 4)
    assert [is_there(tmp_path / name) for name in ("b#4", "b#4#1", "c#4")] == [True, True, False]
