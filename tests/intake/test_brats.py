"""The folders of BraTS, each year's in miniature."""

from pathlib import Path

import pytest

from remodal.errors import EnvironmentProblem, UserError
from remodal.intake.brats import SEQUENCES, find_cases

#: What each year's archive holds, of two cases.
HELD = {
    "2018": [
        f"MICCAI_BraTS_2018_Data_Training/{grade}/{name}/{name}_{word}.nii.gz"
        for grade, name in (("LGG", "Brats18_2013_0_1"), ("HGG", "Brats18_TCIA01_131_1"))
        for word in (*SEQUENCES, "seg")
    ],
    "2019": [
        f"HGG/{name}/{name}_{word}.nii"
        for name in ("BraTS19_CBICA_AAB_1", "BraTS19_TMC_06290_1")
        for word in (*SEQUENCES, "seg")
    ],
    "2020": [
        f"BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/{name}/{name}_{word}.nii.gz"
        for name in ("BraTS20_Training_001", "BraTS20_Training_259")
        for word in (*SEQUENCES, "seg")
    ],
    "2021": [
        f"{name}/{name}_{word}.nii.gz"
        for name in ("BraTS2021_00000", "BraTS2021_00002")
        for word in (*SEQUENCES, "seg")
    ],
    "2023": [
        f"ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/{name}/{name}-{word}.nii.gz"
        for name in ("BraTS-GLI-00008-000", "BraTS-GLI-00008-001")
        for word in ("t1n", "t1c", "t2w", "t2f", "seg")
    ],
}


@pytest.fixture
def unpacked(tmp_path):
    """Makes the (empty) files of a year, or of a list of paths; returns the folder."""

    def unpack(held: str | list[str]) -> Path:
        for name in HELD[held] if isinstance(held, str) else held:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return unpack


@pytest.mark.parametrize(
    ("year", "names", "grades"),
    [
        ("2018", ["HGG__Brats18_TCIA01_131_1", "LGG__Brats18_2013_0_1"], ["HGG", "LGG"]),
        ("2019", ["HGG__BraTS19_CBICA_AAB_1", "HGG__BraTS19_TMC_06290_1"], ["HGG", "HGG"]),
        ("2020", ["BraTS20_Training_001", "BraTS20_Training_259"], ["", ""]),
        ("2021", ["BraTS2021_00000", "BraTS2021_00002"], ["", ""]),
        ("2023", ["BraTS-GLI-00008-000", "BraTS-GLI-00008-001"], ["", ""]),
    ],
)
def test_every_year_has_its_layout(year, names, grades, unpacked):
    cases = find_cases(unpacked(year))
    assert [case.name for case in cases] == names
    assert [case.grade for case in cases] == grades
    for case in cases:
        assert list(case.images) == list(SEQUENCES)
        assert all(path.is_file() for path in [*case.images.values(), case.label])


def test_the_sequences_of_2023_have_the_names_of_the_other_years(unpacked):
    images = find_cases(unpacked("2023"))[0].images
    words = {name: path.name.removesuffix(".nii.gz")[-3:] for name, path in images.items()}
    assert words == {"t1": "t1n", "t1ce": "t1c", "t2": "t2w", "flair": "t2f"}


def test_visits_of_a_patient_of_2023_belong_together(unpacked):
    assert {case.patient for case in find_cases(unpacked("2023"))} == {"BraTS-GLI-00008"}


@pytest.mark.parametrize("year", ["2018", "2019", "2020", "2021"])
def test_a_case_of_the_other_years_is_a_patient(year, unpacked):
    cases = find_cases(unpacked(year))
    assert [case.patient for case in cases] == [case.name for case in cases]


@pytest.mark.parametrize(
    ("year", "renumbered"),
    [("2018", ((1, 1), (2, 2), (4, 4))), ("2023", ((1, 1), (2, 2), (4, 3)))],
)
def test_the_enhancing_tumour_is_4_whatever_the_year_calls_it(year, renumbered, unpacked):
    assert {case.layout.renumbered for case in find_cases(unpacked(year))} == {renumbered}


def test_the_label_of_2020_that_has_another_name_is_found(unpacked):
    folder = "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355"
    root = unpacked([f"{folder}/BraTS20_Training_355_t1.nii", f"{folder}/W39_1998.09.19_Segm.nii"])
    (case,) = find_cases(root)
    assert case.label == root / folder / "W39_1998.09.19_Segm.nii"


def test_the_grades_of_2020_come_from_its_table(unpacked):
    root = unpacked("2020")
    around = root / "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData"
    (around / "name_mapping.csv").write_text(
        "Grade,BraTS_2018_subject_ID,BraTS_2020_subject_ID\n"
        "HGG,Brats18_TCIA01_131_1,BraTS20_Training_001\n"
        "LGG,NA,BraTS20_Training_259\n"
    )
    assert [case.grade for case in find_cases(root)] == ["HGG", "LGG"]


def test_a_sequence_or_a_label_may_be_missing(unpacked):
    names = [f"BraTS20_Validation_001/BraTS20_Validation_001_{word}.nii" for word in ("t1", "t2")]
    (case,) = find_cases(unpacked(names))
    assert list(case.images) == ["t1", "t2"]
    assert case.label is None


def test_cases_are_in_the_order_of_their_names_with_high_grades_first(unpacked):
    names = ["HGG/Brats18_2013_10_1", "HGG/Brats18_2013_2_1", "LGG/Brats18_2013_0_1"]
    root = unpacked([f"{name}/{Path(name).name}_t1.nii.gz" for name in reversed(names)])
    assert [case.folder.name for case in find_cases(root)] == [Path(name).name for name in names]


def test_other_files_and_folders_do_not_matter(unpacked):
    root = unpacked("2021")
    unpacked(["survival_info.csv", "notes/BraTS2021.txt", "BraTS2021_x/BraTS2021_x_t1.nii.gz"])
    assert len(find_cases(root)) == 2


@pytest.mark.parametrize("content", [[], ["imagesTr/BRATS_001.nii.gz"]])
def test_a_folder_that_is_not_of_brats_is_refused_in_one_line(content, unpacked):
    root = unpacked(content)
    with pytest.raises(UserError, match="is no folder of BraTS; expected folders of cases") as told:
        find_cases(root)
    assert "\n" not in str(told.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        find_cases(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_read_is_the_machines_fault(unpacked, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    root = unpacked("2021")
    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(EnvironmentProblem, match="no permission to read"):
        find_cases(root)


def test_a_case_that_is_there_twice_is_refused(unpacked):
    name = "Brats18_2013_0_1"
    root = unpacked([f"{grade}/{name}/{name}_t1.nii.gz" for grade in ("HGG", "LGG")])
    with pytest.raises(UserError, match=f"`{name}` is there twice"):
        find_cases(root)
