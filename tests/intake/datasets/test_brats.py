from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import cases_of


@pytest.fixture
def folder(tmp_path):
    """Three cases of 2018: a whole one, one without FLAIR, and one that lost all its images."""
    for name, words in {
        "HGG/Brats18_2013_2_1": ("t1", "t1ce", "t2", "flair", "seg"),
        "LGG/Brats18_2013_0_1": ("t1", "t1ce", "t2"),
        "LGG/Brats18_2013_1_1": ("seg",),
    }.items():
        (tmp_path / name).mkdir(parents=True)
        for word in words:
            (tmp_path / name / f"{Path(name).name}_{word}.nii.gz").touch()
    return tmp_path


def test_a_folder_of_brats_is_a_data_set(folder, brats_study):
    whole, partial, bare = cases_of(brats_study(folder, ["t1", "t1ce", "t2", "flair"]))
    root = folder / "HGG/Brats18_2013_2_1"
    assert (whole.case, whole.patient, whole.group) == (*["HGG__Brats18_2013_2_1"] * 2, "HGG")
    assert whole.images["flair"] == root / "Brats18_2013_2_1_flair.nii.gz"
    assert list(whole.labels) == ["t1ce"]
    assert whole.labels["t1ce"].files == (root / "Brats18_2013_2_1_seg.nii.gz",)
    assert whole.labels["t1ce"].renumbered == ((1, 1), (2, 2), (4, 4))
    assert list(partial.images) == ["t1", "t1ce", "t2"]
    assert partial.labels == {}
    # Its conversion says that the image is missing.
    assert [path.is_file() for path in bare.images.values()] == [False]


def test_the_modalities_are_those_of_the_study_in_its_order(folder, brats_study):
    cases = cases_of(brats_study(folder, ["flair", "t1"], fixed="flair"))
    assert list(cases[0].images) == ["flair", "t1"]
    # Without the fixed image the label is on the grid of the first.
    assert list(cases[1].images) == ["t1"]


@pytest.mark.parametrize(
    ("named", "modalities", "said"),
    [
        (None, ["t1ce"], "data.folder: no folder is named"),
        ("nowhere", ["t1ce"], "there is no such folder"),
        (
            ".",
            ["t1ce", "dwi"],
            "`dwi` is no image of BraTS; expected one of t1, t1ce, t2, flair",
        ),
    ],
)
def test_mistakes_of_the_study_are_told_in_one_line(named, modalities, said, folder, brats_study):
    with pytest.raises(UserError, match=said) as told:
        cases_of(brats_study(folder / named if named else None, modalities))
    assert "\n" not in str(told.value)
