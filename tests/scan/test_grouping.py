"""Examinations, series and volumes: what belongs together."""

import shutil

import pytest

from remodal.scan.enhancement import measure
from remodal.scan.kinds import judge
from remodal.scan.pictures import picture


def sizes(examination):
    return sorted(len(volume.instances) for volume in examination.volumes)


def test_a_series_scattered_over_folders_is_one_volume_in_the_order_of_places(write, found):
    files = write(12)
    for index, file in enumerate(files):
        target = file.parent / f"d{index % 3}" / "deeper"
        target.mkdir(parents=True, exist_ok=True)
        files[index] = file.rename(target / f"{99 - index}.bin")
    (examination,) = found()
    (volume,) = examination.volumes
    assert volume.files == list(map(str, files))
    assert volume.geometry.spacing == (0.8, 0.8, 2.5)


def test_examinations_are_those_of_patients_and_studies(write, found):
    write(PatientID="a", StudyInstanceUID="1.1", StudyDate="20210101")
    write(PatientID="a", StudyInstanceUID="1.2", StudyDate="20200101")
    write(PatientID="b", StudyInstanceUID="1.3")
    write(PatientID="b", StudyInstanceUID="1.3")
    assert [(one.patient, one.study, len(one.volumes)) for one in found()] == [
        ("a", "1.2", 1),
        ("a", "1.1", 1),
        ("b", "1.3", 2),
    ]


@pytest.mark.parametrize(
    ("keyword", "values", "said"),
    [
        ("AcquisitionNumber", (1, 2), "acquisition number"),
        ("EchoTime", (2.3, 4.6), "echo time"),
        ("TemporalPositionIdentifier", (1, 2), "temporal position"),
        ("ConvolutionKernel", ("B30f", "B70f"), "kernel"),
        ("ContrastBolusAgent", ("", "Iomeron"), "contrast agent"),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]), "image type"),
    ],
)
def test_volumes_of_one_series_are_told_apart(keyword, values, said, write, found):
    for value in values:
        write(10, SeriesInstanceUID="1.2.9", **{keyword: value})
    (examination,) = found()
    assert sizes(examination) == [10, 10]
    for volume in examination.volumes:
        assert volume.geometry is not None
        assert volume.notes == (f"one of 2 volumes of its series, told apart by {said}",)


def test_overlapping_reconstructions_in_one_series_are_two_volumes(write, found):
    write(40, SeriesInstanceUID="1.2.9", step=1.25)
    write(10, SeriesInstanceUID="1.2.9", step=5)
    (examination,) = found()
    assert sorted(one.geometry.spacing[2] for one in examination.volumes) == [1.25, 5]


def test_an_acquisition_number_that_changes_along_the_patient_parts_nothing(write, found):
    def change(dataset, index):
        dataset.AcquisitionNumber = index // 5

    write(10, change)
    (examination,) = found()
    assert sizes(examination) == [10]


def test_slices_of_mr_that_were_scanned_in_turns_are_one_volume(write, found):
    def change(dataset, index):
        dataset.AcquisitionTime = ("100000", "100200")[index % 2]
        dataset.AcquisitionNumber = index % 2 + 1

    write(10, change, Modality="MR")
    (examination,) = found()
    assert sizes(examination) == [10]


def test_phases_of_ct_that_lie_between_each_other_are_two_volumes(write, found):
    def change(dataset, index):
        dataset.AcquisitionNumber = index % 2 + 1

    write(20, change)
    (examination,) = found()
    assert sizes(examination) == [10, 10]


def test_phases_that_only_instance_numbers_tell_apart_are_noted_as_such(write, found):
    for phase in range(2):

        def change(dataset, index, phase=phase):
            dataset.InstanceNumber = 10 * phase + index + 1

        write(10, change, SeriesInstanceUID="1.2.9")
    (examination,) = found()
    assert sizes(examination) == [10, 10]
    first = min(examination.volumes, key=lambda one: one.number("InstanceNumber"))
    numbers = [one.file.get("InstanceNumber") for one in first.instances]
    assert numbers == [str(number) for number in range(1, 11)]
    assert "nothing but instance numbers" in first.notes[0]


def test_a_series_that_was_exported_twice_is_one_volume(write, found):
    files = write(10)
    again = files[0].parent / "again"
    again.mkdir()
    for file in files:
        shutil.copy(file, again)
    (examination,) = found()
    (volume,) = examination.volumes
    assert len(volume.instances) == 10
    assert volume.notes == ("10 copies of its files are left out",)


def test_a_missing_slice_is_a_problem_that_names_its_place(write, found):
    files = write(10)
    files[4].unlink()
    (examination,) = found()
    (volume,) = examination.volumes
    assert volume.problem.startswith("gap: 1 slice missing, after slice 4")


def test_images_that_share_their_uid_by_mistake_are_all_kept(write, found):
    write(10, SOPInstanceUID="1.2.3")
    (examination,) = found()
    assert sizes(examination) == [10]


def test_a_multi_frame_file_is_a_volume(found, write_enhanced):
    write_enhanced(places=[2.0 * index for index in range(12)])
    (examination,) = found()
    (volume,) = examination.volumes
    assert (len(volume.instances), len(volume.files)) == (12, 1)
    assert volume.geometry.spacing == (0.8, 0.8, 2.0)
    assert judge(volume).usable == "scan"
    assert measure(volume).aorta is None
    assert picture(volume).startswith("data:image/jpeg")


def test_several_volumes_in_one_file_are_numbered_as_intake_numbers_them(found, write_enhanced):
    write_enhanced(places=[2.0 * (index % 12) for index in range(24)])
    (examination,) = found()
    assert sizes(examination) == [12, 12]
    assert [one.part for one in examination.volumes] == [1, 2]
    for one in examination.volumes:
        assert judge(one).usable == "scan"
        assert f"image {one.part} of 2 in one file" in one.notes
