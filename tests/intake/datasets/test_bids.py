"""A miniature of a BIDS folder with two images of each subject, written by SimpleITK."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from remodal.errors import BadCase, EnvironmentProblem, UserError
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.datasets import cases_of
from remodal.intake.nifti import read_volume
from remodal.settings import Settings
from remodal.settings.composition import validated

SHAPE = (6, 12, 10)
#: Affines (LPS): of the rows that most converters write (RAS), oblique, and turned about.
STRAIGHT = np.array([[-1.5, 0, 0, 70], [0, -1.5, 0, 60], [0, 0, 3, 20], [0, 0, 0, 1.0]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [4, -3, 7], degrees=True).as_matrix() * [2, 2, 5]
OBLIQUE[:3, 3] = (-80, -55, 10)
TURNED = np.array([[0, -2.0, 0, 70], [0, 0, -2, 60], [4, 0, 0, -20], [0, 0, 0, 1.0]])


def write(path: Path, array: np.ndarray, affine: np.ndarray = STRAIGHT) -> Path:
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.int16)


def mask(value: int = 1) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[1:4, 3:9, 2:6] = value
    array[1, 3, 2] = 0  # no symmetry that would hide a flip
    return array


@pytest.fixture
def folder(tmp_path):
    """Two subjects: one with two runs in a session, one with one of each image and no session."""
    root = tmp_path / "liver_bids"
    first = root / "sub-01/ses-a/anat"
    labels = root / "derivatives/manual"
    for run, affine in (("run-1", OBLIQUE), ("run-2", STRAIGHT)):
        name = f"sub-01_ses-a_{run}"
        write(first / f"{name}_T1w.nii.gz", image(1), affine)
        write(first / f"{name}_T2w.nii.gz", image(2), TURNED)
        own = labels / "sub-01/ses-a/anat"
        write(own / f"{name}_space-T1w_label-liver_mask.nii.gz", mask(), affine)
        write(own / f"{name}_space-T2w_label-liver_mask.nii.gz", mask(), TURNED)
    write(root / "sub-02/anat/sub-02_T1w.nii", image(3))
    write(root / "sub-02/anat/sub-02_T2w.nii.gz", image(4))
    write(labels / "sub-02/anat/sub-02_T2w_label-liver_mask.nii.gz", mask())
    (root / "sub-02/anat/sub-02_T1w.json").write_text("{}")
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.8"}))
    (root / "participants.tsv").write_text("participant_id\tstage\nsub-01\tearly\nsub-02\tn/a\n")
    return root


def study(folder: Path | None, bids: dict | None = None, **data) -> Settings:
    modalities = data.get("modalities", ["t1", "t2"])
    content = {
        "study": "liver",
        "preset": "paper",
        "title": "Liver",
        "data": {
            "name": "liver",
            "source": "bids",
            "folder": folder,
            "options": {"bids": bids or {}},
            "modalities": modalities,
            "truth": "image",
            "classes": {"liver": [1, 2]},
        }
        | data,
        "registration": {"method": "header", "fixed": modalities[-1]},
        "methods": {"one": {"type": "nnunet"}},
        "scenarios": {"both": {"present": modalities, "target": modalities[-1]}},
    }
    return validated(content, "test")


def files(cases) -> dict[str, dict[str, str]]:
    """The names of each case's files."""
    return {
        case.case: {name: path.name for name, (path,) in case.sources.items()} for case in cases
    }


def test_a_case_is_a_subject_in_a_session_and_run_and_each_label_is_that_of_its_image(folder):
    cases = cases_of(study(folder))
    found = files(cases)
    assert list(found) == ["sub-01_ses-a_run-1", "sub-01_ses-a_run-2", "sub-02"]
    for run in ("run-1", "run-2"):
        name = f"sub-01_ses-a_{run}"
        assert found[name] == {
            "t1": f"{name}_T1w.nii.gz",
            "t2": f"{name}_T2w.nii.gz",
            "label-t1": f"{name}_space-T1w_label-liver_mask.nii.gz",
            "label-t2": f"{name}_space-T2w_label-liver_mask.nii.gz",
        }
    assert found["sub-02"] == {
        "t1": "sub-02_T1w.nii",
        "t2": "sub-02_T2w.nii.gz",
        "label-t2": "sub-02_T2w_label-liver_mask.nii.gz",
    }
    assert [case.patient for case in cases] == ["sub-01", "sub-01", "sub-02"]
    assert {case.group for case in cases} == {""}


def test_the_group_is_a_column_of_the_participants(folder):
    assert [case.group for case in cases_of(study(folder, {"group": "stage"}))] == [
        *("early", "early"),
        "",
    ]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("modality", ["t1", "t2"])
def test_image_and_label_keep_their_place_whatever_the_affine(folder, tmp_path, number, modality):
    case = cases_of(study(folder))[number]
    made, label = tmp_path / "image.nii.gz", tmp_path / "label.nii.gz"
    record = tmp_path / "image.json"
    convert_image(case.images[modality], made, record, case=case.case, modality=modality)
    reading = (record, made, label, tmp_path / "label.json")
    convert_label(case.labels[modality], *reading, case=case.case, drawn_on=modality)
    for path, expected in ((made, case.images), (label, None)):
        source = expected[modality] if expected else case.labels[modality].files[0]
        assert places(path) == pytest.approx(places(source), rel=1e-4)
    assert read_volume(label).geometry.agrees_with(read_volume(made).geometry)


def places(path: Path) -> list[float]:
    """An image's sum, where its weight lies in mm, and how it spreads, by SimpleITK."""
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image).astype(float)
    where = np.array(
        [
            image.TransformIndexToPhysicalPoint(tuple(map(int, index[::-1])))
            for index in np.ndindex(array.shape)
        ]
    )
    weights = array.ravel() / array.sum()
    centre = weights @ where
    around = where - centre
    return [array.sum(), *centre, *(weights @ around**2), *(weights @ around**3)]


def test_images_of_one_suffix_are_told_apart_by_entities_and_so_are_their_labels(tmp_path):
    for name in ("acq-in_T1w", "acq-out_T1w"):
        write(tmp_path / f"sub-a/anat/sub-a_{name}.nii.gz", image(0))
        label = name.replace("T1w", "dseg")
        write(tmp_path / f"derivatives/x/sub-a/anat/sub-a_{label}.nii.gz", mask())
    options = {"images": {"t1": "acq-in_T1w", "t2": "acq-out_T1w"}}
    assert files(cases_of(study(tmp_path, options)))["sub-a"] == {
        "t1": "sub-a_acq-in_T1w.nii.gz",
        "t2": "sub-a_acq-out_T1w.nii.gz",
        "label-t1": "sub-a_acq-in_dseg.nii.gz",
        "label-t2": "sub-a_acq-out_dseg.nii.gz",
    }


def test_a_session_that_is_named_tells_no_cases_apart(tmp_path):
    for session, suffix in (("1", "T1w"), ("2", "T2w")):
        name = f"sub-a_ses-{session}_{suffix}"
        write(tmp_path / f"sub-a/ses-{session}/anat/{name}.nii.gz", image(0))
        place = tmp_path / f"derivatives/x/sub-a/ses-{session}/anat"
        write(place / f"{name}_label-liver_mask.nii.gz", mask())
    options = {"images": {"t1": "ses-1_T1w", "t2": "ses-2_T2w"}}
    (case,) = cases_of(study(tmp_path, options))
    assert case.case == "sub-a"
    assert list(case.images) == list(case.labels) == ["t1", "t2"]


def test_one_file_may_be_two_images(folder):
    options = {"images": {"t1_again": "T1w"}}
    case = cases_of(study(folder, options, modalities=["t1", "t1_again", "t2"]))[0]
    assert case.images["t1"] == case.images["t1_again"]
    assert case.labels["t1"] == case.labels["t1_again"]


def test_labels_that_are_named_may_be_several_files_with_a_value_each(folder, tmp_path):
    anat = folder / "derivatives/manual/sub-02/anat"
    lesion = np.where(mask(), 1, 0).astype(np.uint8)
    lesion[2:] = 0
    write(anat / "sub-02_T2w_label-lesion_mask.nii.gz", lesion)
    options = {"labels": {"t2": "1=T2w_label-liver_mask; 2=T2w_label-lesion_mask"}}
    cases = {case.case: case for case in cases_of(study(folder, options))}
    case = cases["sub-02"]
    assert list(case.labels) == ["t2"]
    assert len(cases) == 3
    assert all(not other.labels for name, other in cases.items() if name != "sub-02")
    made, record = tmp_path / "image.nii.gz", tmp_path / "image.json"
    convert_image(case.images["t2"], made, record, case=case.case, modality="t2")
    reading = (record, made, tmp_path / "label.nii.gz", tmp_path / "label.json")
    told = convert_label(case.labels["t2"], *reading, case=case.case, drawn_on="t2")
    both = int(lesion.sum())
    assert told.details["values"] == {"1": int(mask().sum()) - both, "2": both}


def test_a_label_of_which_a_file_is_missing_is_a_bad_case(folder, tmp_path):
    options = {"labels": {"t2": "1=T2w_label-liver_mask; 2=T2w_label-lesion_mask"}}
    case = cases_of(study(folder, options))[-1]
    made, record = tmp_path / "image.nii.gz", tmp_path / "image.json"
    convert_image(case.images["t2"], made, record, case=case.case, modality="t2")
    reading = (record, made, tmp_path / "label.nii.gz", tmp_path / "label.json")
    with pytest.raises(BadCase, match="sub-02, label-t2: there is no such label"):
        convert_label(case.labels["t2"], *reading, case=case.case, drawn_on="t2")


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ("sub-02/anat/sub-02_T2w.nii.gz", "t2"),  # its label is there
        ("sub-02/anat", "t1"),  # nothing is there
    ],
)
def test_an_image_that_should_be_there_is_named_so_that_its_conversion_says_so(
    folder, tmp_path, lacking, expected
):
    for path in sorted((folder / lacking).glob("*")) or [folder / lacking]:
        path.unlink()
    if expected == "t1":
        (folder / "derivatives/manual/sub-02/anat/sub-02_T2w_label-liver_mask.nii.gz").unlink()
    case = cases_of(study(folder))[-1]
    output = tmp_path / "image.nii.gz", tmp_path / "image.json"
    with pytest.raises(BadCase, match=f"sub-02, {expected}: there is no such image"):
        convert_image(case.images[expected], *output, case=case.case, modality=expected)


def test_masks_of_images_that_the_study_does_not_have_are_no_labels(folder):
    anat = folder / "derivatives/other/sub-02/anat"
    write(anat / "sub-02_FLAIR_desc-brain_mask.nii.gz", mask())
    write(anat / "sub-02_space-MNI152NLin6Asym_desc-brain_mask.nii.gz", mask())
    write(folder / "derivatives/other/sub-03/anat/sub-03_FLAIR_dseg.nii.gz", mask())
    found = files(cases_of(study(folder)))
    assert "sub-03" not in found
    assert found["sub-02"]["label-t2"] == "sub-02_T2w_label-liver_mask.nii.gz"


def second_t1(folder: Path) -> dict:
    write(folder / "sub-02/anat/sub-02_acq-dixon_T1w.nii.gz", image(0))
    return {}


def second_label(folder: Path) -> dict:
    anat = folder / "derivatives/automatic/sub-02/anat"
    write(anat / "sub-02_space-T2w_desc-automatic_dseg.nii.gz", mask())
    return {}


def label_of_both(folder: Path) -> dict:
    write(folder / "derivatives/other/sub-02/anat/sub-02_label-liver_mask.nii.gz", mask())
    return {}


def no_subject(folder: Path) -> dict:
    for path in folder.glob("sub-*"):
        path.rename(folder / path.name.replace("sub", "subject"))
    return {}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            second_t1,
            r"sub-02/anat: sub-02_T1w.nii and sub-02_acq-dixon_T1w.nii.gz may both be the t1 image"
            ".*data.options.bids.images",
        ),
        (second_label, "may both be the label of the t2 image; expected one; .*pipeline"),
        (label_of_both, "may be the label of sub-02_T1w.nii and of sub-02_T2w.nii.gz"),
        (no_subject, "liver_bids: holds no subject; expected a folder in BIDS"),
        (lambda _: {"images": {"t1": "PDw", "t2": "MTw"}}, "no image `PDw` or `MTw`.*T1w, T2w"),
        (lambda _: {"images": {"ct": "ct"}}, "bids.images: `ct` is no modality of this study"),
        (lambda _: {"images": {"t1": "acq-in"}}, "`data.options.bids.images`: .*has no suffix"),
        (lambda _: {"labels": {"t1": "1=T1w; mask"}}, "`data.options.bids.labels`: 2 files, of wh"),
        (lambda _: {"image": {}}, "`data.options.bids.image` is not a setting"),
        (lambda _: {"pipeline": "auto"}, "derivatives/auto: there is no such folder"),
        (lambda _: {"group": "age"}, "has no column `age`; expected one of participant_id, stage"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, spoil, said):
    options = spoil(folder)
    with pytest.raises(UserError, match=said) as told:
        cases_of(study(folder, options))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bidz": {}}, "data.options.bidz: unknown data source `bidz`"),
        ({"brats": {}}, "data.options.brats: `brats` has no options"),
    ],
)
def test_options_of_no_source_are_told(folder, options, said):
    with pytest.raises(UserError, match=said):
        cases_of(study(folder, options=options))


def test_a_pipeline_that_is_named_may_lie_anywhere(folder, tmp_path):
    (folder / "derivatives/manual").rename(tmp_path / "elsewhere")
    assert [list(case.labels) for case in cases_of(study(folder))] == [[], [], []]
    cases = cases_of(study(folder, {"pipeline": tmp_path / "elsewhere"}))
    assert [list(case.labels) for case in cases] == [["t1", "t2"], ["t1", "t2"], ["t2"]]


def test_a_folder_that_may_not_be_read_is_told_in_one_line(folder, monkeypatch):
    # As root every folder may be read.
    listed = Path.iterdir

    def refused(path: Path):
        if path.name == "sub-02":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(EnvironmentProblem, match="sub-02: no permission to read"):
        cases_of(study(folder))
