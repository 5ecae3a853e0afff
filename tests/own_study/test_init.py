"""`remodal init` writes a study that composes, from what the files say."""

import locale
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import yaml

from remodal.errors import UserError
from remodal.intake.datasets import cases_of
from remodal.intake.sheet import COLUMNS
from remodal.own_study.init import init
from remodal.settings.composition import compose
from remodal.settings.places import REPOSITORY
from remodal.sharing.shared_study import configured_study, name_study

SHAPE = (12, 16, 16)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_image(path, array, spacing=(1.5, 1.5, 3.0), origin=(0, 0, 0)):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    sitk.WriteImage(made, str(path))


def ct(seed=0):
    array = np.full(SHAPE, -1000, np.int16)
    array[2:10, 3:13, 3:13] = 50 + np.random.default_rng(seed).integers(0, 20, (8, 10, 10))
    return array


def mr(seed=0, margin=0):
    array = np.zeros(SHAPE, np.float32)
    inner = tuple(slice(margin, length - margin) for length in SHAPE)
    array[inner] = np.random.default_rng(seed).uniform(1, 400, array[inner].shape)
    return array


def mask(*values):
    array = np.zeros(SHAPE, np.uint8)
    for place, value in enumerate(values):
        array[4:6, 5:7, 5 + 2 * place : 7 + 2 * place] = value
    return array


def write_sheet(folder, rows):
    """A sheet of rows of case, modality, path, label and perhaps group."""
    lines = ["case\tmodality\tpath\tlabel\tgroup", *("\t".join((*row, ""))[:400] for row in rows)]
    (folder / "sheet.tsv").write_text("\n".join(lines) + "\n")
    return folder / "sheet.tsv"


def two_phases(folder, cases=3, **shift):
    """Cases of CT in two phases, which do not lie on one grid; the mask is of the venous one."""
    rows = []
    for number in range(cases):
        case = f"c{number}"
        write_image(folder / f"{case}/a.nii.gz", ct(number))
        write_image(folder / f"{case}/v.nii.gz", ct(number + 50), origin=(0, 0, 4))
        write_image(folder / f"{case}/mask.nii.gz", mask(1, 2), origin=(0, 0, 4))
        rows.append((case, "arterial", f"{case}/a.nii.gz", ""))
        rows.append((case, "venous", f"{case}/v.nii.gz", f"{case}/mask.nii.gz", "hcc"))
    return write_sheet(folder, rows)


def made(source, preset="paper"):
    """The study that is written of a source, composed."""
    list(init("ours", source))
    return compose({"study": "ours", "preset": preset})


def test_two_phases_of_ct_become_a_study_with_the_reasons_beside_the_choices(folder):
    settings = made(two_phases(folder))
    assert (settings.data.modalities, settings.data.truth) == (["arterial", "venous"], "case")
    assert settings.data.classes == {"class_1": [1], "class_2": [2]}
    assert (settings.registration.method, settings.registration.fixed) == ("elastix", "venous")
    preparation = settings.preprocessing
    assert (preparation.clip.by, preparation.normalise) == ("dataset_foreground",) * 2
    assert (settings.splits.scheme, settings.splits.folds) == ("kfold", 3)
    assert set(settings.methods) == {"nnunet", "nnunet_arterial", "nnunet_venous", "maml"}
    assert len(cases_of(settings)) == 3
    text = (folder / "config/studies/ours.yaml").read_text()
    for why in ("on different grids", "judged by their values", "test each once", "hcc 3"):
        assert why in text


@pytest.mark.parametrize(
    ("margin", "normalise", "zero_background"), [(0, "crop", False), (3, "case_nonzero", True)]
)
def test_mr_is_scaled_by_itself_and_inside_the_brain_where_the_rest_is_zero(
    folder, margin, normalise, zero_background
):
    rows = []
    for case in ("p1", "p2"):
        for name in ("t1", "flair"):
            write_image(folder / f"{case}/{name}.nii.gz", mr(margin=margin))
        write_image(folder / f"{case}/gtv.nii.gz", mask(1))
        write_image(folder / f"{case}/Oedema.nii.gz", mask(1))
        label = f"1={case}/Oedema.nii.gz; 4={case}/gtv.nii.gz"
        rows += [(case, "t1", f"{case}/t1.nii.gz", label)]
        rows += [(case, "flair", f"{case}/flair.nii.gz", "")]
    settings = made(write_sheet(folder, rows))
    assert (settings.preprocessing.clip.by, settings.preprocessing.normalise) == ("none", normalise)
    assert settings.registration.method == "none"  # one grid
    assert settings.registration.body_threshold is None
    assert settings.registration.outside == 0
    assert settings.recipe.augmentation.zero_background is zero_background
    assert settings.data.classes == {"gtv": [4]}  # the oedema lies under it, everywhere


def test_labels_of_several_images_are_each_image_s_own_truth(folder):
    rows = []
    for case in ("p1", "p2"):
        for place, name in enumerate(("t1", "t2")):
            write_image(folder / f"{case}/{name}.nii.gz", mr(place), origin=(0, 0, place))
            write_image(folder / f"{case}/{name}-mask.nii.gz", mask(1), origin=(0, 0, place))
            rows.append((case, name, f"{case}/{name}.nii.gz", f"{case}/{name}-mask.nii.gz"))
    settings = made(write_sheet(folder, rows))
    assert (settings.data.truth, settings.registration.method) == ("image", "header")
    assert set(settings.methods) == {"nnunet_t1", "nnunet_t2"}


def test_one_image_per_case_needs_no_registration_and_one_method(folder):
    rows = []
    for case in ("p1", "p2"):
        write_image(folder / f"{case}.nii.gz", ct())
        write_image(folder / f"{case}-mask.nii.gz", mask(3))
        rows.append((case, "ct", f"{case}.nii.gz", f"{case}-mask.nii.gz"))
    rows.append(("p3", "ct", "p1.nii.gz", ""))
    settings = made(write_sheet(folder, rows))
    assert settings.registration.method == "none"
    assert list(settings.methods) == ["nnunet_ct"]
    assert "1 case has no label" in (folder / "config/studies/ours.yaml").read_text()


def test_a_folder_in_bids_needs_no_sheet(folder):
    for subject in ("sub-01", "sub-02"):
        anat = folder / f"bids/{subject}/anat"
        write_image(anat / f"{subject}_T1w.nii.gz", mr())
        write_image(anat / f"{subject}_acq-spir_T2w.nii.gz", mr(1))
        derived = folder / f"bids/derivatives/manual/{subject}/anat"
        write_image(derived / f"{subject}_T1w_label-liver_mask.nii.gz", mask(1))
    settings = made(folder / "bids")
    assert settings.data.source == "bids"
    assert settings.data.modalities == ["t1", "t2_spir"]
    assert settings.data.classes == {"liver": [1]}
    assert [set(case.images) for case in cases_of(settings)] == [{"t2_spir", "t1"}] * 2


def test_in_bids_masks_of_several_structures_are_one_label(folder):
    for subject in ("sub-01", "sub-02"):
        for place, suffix in enumerate(("T1w", "T2w")):
            write_image(folder / f"bids/{subject}/anat/{subject}_{suffix}.nii.gz", mr(place))
            derived = folder / f"bids/derivatives/manual/{subject}/anat/{subject}_space-{suffix}"
            write_image(f"{derived}_label-liver_mask.nii.gz", mask(1, 1))
            write_image(f"{derived}_label-lesion_mask.nii.gz", mask(0, 1))
    settings = made(folder / "bids")
    assert settings.data.truth == "image"
    # The lesion, though the first in the alphabet, lies in the liver and must not be hidden by it.
    assert settings.data.classes == {"liver": [1], "lesion": [2]}
    (label, *_) = cases_of(settings)[0].labels.values()
    assert label.values == (1, 2)


def test_a_scan_in_dicom_says_what_it_is(folder, monkeypatch):
    from remodal.own_study import survey

    monkeypatch.setattr(survey, "judged_kind", lambda values: pytest.fail("the file says it"))
    for case in ("p1", "p2"):
        write_dicom(folder / case, mr())
        write_image(folder / f"{case}-mask.nii.gz", mask(1))
    rows = [(case, "t1", case, f"{case}-mask.nii.gz") for case in ("p1", "p2")]
    settings = made(write_sheet(folder, rows))
    assert settings.preprocessing.clip.by == "none"
    assert "t1: MR (the files say so)" in (folder / "config/studies/ours.yaml").read_text()


def write_dicom(path, array):
    path.mkdir()
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    image = sitk.GetImageFromArray(array.astype(np.int16))
    image.SetSpacing((1.5, 1.5, 3.0))
    for number in range(len(array)):
        plane = image[:, :, number]
        values = {"0008|0060": "MR", "0020|000d": study, "0020|000e": series}
        values |= {"0020|0052": frame, "0020|0013": str(number)}
        values |= {"0020|0032": f"0\\0\\{3 * number}", "0020|0037": "1\\0\\0\\0\\1\\0"}
        for tag, value in values.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(path / f"{number}.dcm"))
        writer.Execute(plane)
    locale.setlocale(locale.LC_ALL, "")  # ITK's DICOM writer leaves the process in another one


def test_rows_of_a_scenario_are_compared_with_the_method_that_all_have(folder):
    list(init("ours", two_phases(folder)))
    study = yaml.safe_load((folder / "config/studies/ours.yaml").read_text())
    (table,) = study["tables"].values()
    assert table["reference"] == dict.fromkeys(["all", "arterial", "venous"], "maml")
    assert {row["method"] for row in table["rows"]} == set(study["methods"])


def test_nothing_is_overwritten_and_the_folder_is_ready_to_run(folder):
    sheet = two_phases(folder)
    first = list(init("ours", sheet))
    assert (folder / "Snakefile").resolve() == REPOSITORY / "Snakefile"
    assert yaml.safe_load((folder / "config/config.yaml").read_text())["study"] == "ours"
    assert first[-1].startswith("Look it over, then:")
    study = folder / "config/studies/ours.yaml"
    study.write_text("title: mine\n")
    (folder / "dvc.yaml").write_text("mine\n")
    again = list(init("ours", sheet))
    assert (study.read_text(), (folder / "dvc.yaml").read_text()) == ("title: mine\n", "mine\n")
    assert "stays as it is" in again[0]


def test_dvc_knows_the_study_before_it_is_shared(folder, monkeypatch):
    list(init("ours", two_phases(folder)))
    monkeypatch.chdir(folder)
    written = (folder / "config/shared.yaml").read_text()
    assert not name_study(configured_study())
    (folder / "config/shared.yaml").unlink()
    name_study(configured_study())
    assert (folder / "config/shared.yaml").read_text() == written


def test_a_structure_that_one_of_many_patients_has_is_a_class(folder):
    sheet = two_phases(folder, cases=9)
    write_image(folder / "c2/mask.nii.gz", mask(1, 2, 7), origin=(0, 0, 4))
    assert made(sheet).data.classes == {"class_1": [1], "class_2": [2], "class_7": [7]}
    lines = (folder / "config/studies/ours.yaml").read_text().splitlines()
    assert "    class_7: [7]    # in 1 of 9 cases" in lines
    assert "    class_2: [2]" in lines


def test_phases_of_one_patient_that_lie_on_different_grids_are_registered(folder):
    sheet = two_phases(folder, cases=8)
    for case in range(7):
        write_image(folder / f"c{case}/a.nii.gz", ct(case), origin=(0, 0, 4))
    assert made(sheet).registration.method == "elastix"
    assert "in 1 of 8 cases, the images lie" in (folder / "config/studies/ours.yaml").read_text()


def test_every_case_that_cannot_be_used_is_named(folder):
    sheet = two_phases(folder, cases=9)
    for case in ("c1", "c4"):
        (folder / f"{case}/a.nii.gz").write_bytes(b"no image")
    refused = [line for line in init("ours", sheet) if line.startswith("cannot be used")]
    assert [line[:19] for line in refused] == ["cannot be used: c1:", "cannot be used: c4:"]


def test_links_that_lead_nowhere_are_made_anew(folder):
    (folder / "workflow").symlink_to(folder / "gone")
    list(init("ours", None))
    assert (folder / "workflow/rules").is_dir()


def test_without_a_source_a_sheet_to_fill_in_is_written(folder):
    said = list(init("ours", None))
    sheet = folder / "config/ours.tsv"
    assert sheet.read_text().splitlines()[-1].split("\t") == list(COLUMNS)
    assert "remodal init ours config/ours.tsv" in said[-1]
    with pytest.raises(UserError, match="there is no line with an image"):
        list(init("ours", sheet))


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("a b", lambda folder: None, "`a b` is not a valid name of a study"),
        ("ours", lambda folder: (folder / "sheet.tsv").unlink(), "cannot be read"),
        ("ours", lambda folder: two_phases(folder, cases=1), "patients with a label: 1"),
        (
            "ours",
            lambda folder: [
                write_image(path, mask(), origin=(0, 0, 4))
                for path in folder.glob("c*/mask.nii.gz")
            ],
            "hold nothing",
        ),
        (
            "ours",
            lambda folder: [p.unlink() for p in folder.glob("c*/v.nii.gz")],
            "none of the 3 cases can be used: c0: ",
        ),
        ("ours", lambda folder: (folder / "Snakefile").touch(), "is not remodal's"),
    ],
)
def test_mistakes_are_one_line_and_no_study_is_written(folder, name, spoil, said):
    sheet = two_phases(folder)
    spoil(folder)
    with pytest.raises(UserError, match=said) as raised:
        list(init(name, sheet))
    assert "\n" not in str(raised.value)
    assert not (folder / "config/studies").exists()


def test_a_folder_of_something_else_is_said_to_be_none_in_bids(folder):
    with pytest.raises(UserError, match="`remodal scan` writes the sheet"):
        list(init("ours", folder))
