"""A whole sheet of patients: one file each, going on where it was stopped."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from remodal.errors import BadCase, FaultOfOurs, UserError
from remodal.intake.nifti import read_volume, write_volume
from remodal.models import model_files
from remodal.prediction import cases as sheets
from remodal.prediction import ensemble as ensembles
from remodal.prediction.cases import Wanted, predict_cases
from remodal.prediction.ensemble import Ensemble
from remodal.prediction.patient import predict_patient


@pytest.fixture
def model(study) -> Path:
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    return study.model("maml", fold=2, registration=unregistered.model_dump(mode="json"))


def write_sheet(folder: Path, study, *more: str) -> Path:
    """Cases `b` with both phases and `c` with one, and more lines."""
    lines = ["case\tmodality\tpath\tlabel"]
    for case, modality in (("b", "arterial"), ("b", "venous"), ("c", "venous")):
        lines.append(f"{case}\t{modality}\t{study.registered / case / modality}.nii.gz\t")
    path = folder / "sheet.tsv"
    path.write_text("\n".join([*lines, *more]) + "\n")
    return path


def test_each_case_is_segmented_as_if_alone_with_the_models_loaded_once(
    study, model, tmp_path, monkeypatch
):
    loaded = []

    def load(folder, device):
        loaded.append(folder)
        return model_files.load_model(folder, device)

    monkeypatch.setattr(ensembles, "load_model", load)
    predict_cases(Ensemble([model]), write_sheet(tmp_path, study), Wanted(tmp_path / "out"))
    assert loaded == [model]
    assert {path.name for path in (tmp_path / "out").glob("*.*")} == {
        *("b.nii.gz", "c.nii.gz", ".finished")
    }
    for case, phases in {"b": ("arterial", "venous"), "c": ("venous",)}.items():
        images = {name: study.registered / case / f"{name}.nii.gz" for name in phases}
        predict_patient(model, images, tmp_path / "alone.nii.gz")
        alone, found = tmp_path / "alone.nii.gz", tmp_path / f"out/{case}.nii.gz"
        assert found.read_bytes() == alone.read_bytes()


def test_finished_cases_are_not_made_again_unless_something_of_them_changed(
    study, model, tmp_path, monkeypatch, capsys
):
    made = []

    def segment(ensemble, patient, outputs, track):
        made.append(patient.name)
        for file in outputs.files:
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"")
        return SimpleNamespace(measurements=[])

    monkeypatch.setattr(sheets, "segment", segment)
    own = tmp_path / "own.nii.gz"
    write_volume(own, read_volume(study.registered / "a/venous.nii.gz"))
    sheet = write_sheet(tmp_path, study, f"own\tvenous\t{own}")
    wanted = Wanted(tmp_path / "out")

    def again(wanted=wanted, model=model) -> list[str]:
        made.clear()
        predict_cases(Ensemble([model]), sheet, wanted)
        return list(made)

    assert again() == ["b", "c", "own"]
    assert again() == []
    assert "0 of 3 cases segmented, 3 were finished before" in capsys.readouterr().err
    (tmp_path / "out/c.nii.gz").unlink()
    assert again() == ["c"]
    write_volume(own, read_volume(study.registered / "b/venous.nii.gz"))
    assert again() == ["own"]
    assert again(Wanted(tmp_path / "out", uncertainty=tmp_path / "maps")) == ["b", "c", "own"]
    assert again() == []
    assert again(model=study.model("maml", fold=9)) == ["b", "c", "own"]


def test_what_was_stopped_goes_on_with_the_case_that_was_not_finished(
    study, model, tmp_path, monkeypatch
):
    made = []

    def segment(ensemble, patient, outputs, track):
        made.append(patient.name)
        if made == ["b", "c"]:
            raise KeyboardInterrupt
        outputs.segmentation.parent.mkdir(exist_ok=True)
        outputs.segmentation.write_bytes(b"")
        return SimpleNamespace(measurements=[])

    monkeypatch.setattr(sheets, "segment", segment)
    sheet, wanted = write_sheet(tmp_path, study), Wanted(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        predict_cases(Ensemble([model]), sheet, wanted)
    predict_cases(Ensemble([model]), sheet, wanted)
    assert made == ["b", "c", "c"]


def test_a_fault_of_ours_in_one_case_does_not_stop_the_others(
    study, model, tmp_path, monkeypatch, capsys
):
    def segment(ensemble, patient, outputs, track):
        if patient.name == "b":
            raise ZeroDivisionError
        return SimpleNamespace(measurements=[])

    monkeypatch.setattr(sheets, "segment", segment)
    with pytest.raises(FaultOfOurs, match="1 case met a fault of ours"):
        predict_cases(Ensemble([model]), write_sheet(tmp_path, study), Wanted(tmp_path / "out"))
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "1 of 2 cases segmented" in said


def test_a_bad_case_gets_its_line_and_the_others_go_on(study, model, tmp_path, capsys):
    constant = read_volume(study.registered / "b/venous.nii.gz")
    write_volume(tmp_path / "flat.nii.gz", constant.with_array(np.zeros_like(constant.array)))
    sheet = write_sheet(
        tmp_path,
        study,
        f"flat\tvenous\t{tmp_path / 'flat.nii.gz'}",
        f"gone\tvenous\t{tmp_path / 'gone.nii.gz'}",
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "flat.nii.gz").write_bytes(b"of an earlier image")
    with pytest.raises(BadCase, match="2 of 4 cases could not be segmented"):
        predict_cases(Ensemble([model]), sheet, Wanted(out))
    assert sorted(path.name for path in out.glob("*.nii.gz")) == ["b.nii.gz", "c.nii.gz"]
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("remodal: flat: ")]) == 1
    assert len([line for line in said if line.startswith("remodal: gone: ")]) == 1


def test_a_sheet_of_a_study_may_name_images_that_the_model_does_not_know(study, tmp_path):
    model = study.model("nnunet_venous")
    predict_cases(Ensemble([model]), write_sheet(tmp_path, study), Wanted(tmp_path / "out"))
    assert (tmp_path / "out/b.nii.gz").is_file()


def test_an_image_of_the_sheet_serves_as_its_copy_too(study, tmp_path, capsys):
    """A study's sheet does not name copies."""
    data = study.settings.data.model_dump(mode="json") | {"copies": {"arterial": "venous"}}
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    registration = unregistered.model_dump(mode="json")
    model = study.model("maml", fold=8, data=data, registration=registration)
    sheet = write_masked(tmp_path, study, {"b": ""})
    predict_cases(Ensemble([model]), sheet, Wanted(tmp_path / "out"))
    assert "b: segmented from arterial + venous by the joint head" in capsys.readouterr().err


def write_masked(folder: Path, study, masks: dict[str, Path | str]) -> Path:
    """A sheet of the venous images of cases, each with its mask."""
    lines = ["case\tmodality\tpath\tmask"]
    for case, mask in masks.items():
        lines.append(f"{case}\tvenous\t{study.registered / case / 'venous.nii.gz'}\t{mask}")
    (folder / "masked.tsv").write_text("\n".join(lines) + "\n")
    return folder / "masked.tsv"


def test_masks_of_a_sheet_serve_as_those_of_one_patient(study, tmp_path, capsys):
    crop = {"mask": {"label": [1]}, "margin": 20}
    model = study.model("maml", fold=5, preprocessing={"clip": "case", "crop": crop})
    image = study.registered / "b/venous.nii.gz"
    venous, mask = read_volume(image), tmp_path / "mask.nii.gz"
    inside = np.zeros(venous.array.shape, np.uint8)
    inside[8:18, 6:14, 10:24] = 1
    write_volume(mask, venous.with_array(inside))

    with pytest.raises(UserError, match="no case has its masks: the model needs a mask of the ven"):
        predict_cases(
            Ensemble([model]),
            write_masked(tmp_path, study, {"a": "", "b": ""}),
            Wanted(tmp_path / "out"),
        )
    sheet = write_masked(tmp_path, study, {"a": "", "b": mask})
    with pytest.raises(BadCase, match="1 of 2 cases could not be segmented"):
        predict_cases(Ensemble([model]), sheet, Wanted(tmp_path / "out"))
    [line] = [line for line in capsys.readouterr().err.splitlines() if "remodal: a:" in line]
    assert "needs a mask of the venous image" in line
    assert "column `mask`" in line

    predict_patient(model, {"venous": image}, tmp_path / "alone.nii.gz", {"venous": mask})
    found = tmp_path / "out/b.nii.gz"
    assert found.read_bytes() == (tmp_path / "alone.nii.gz").read_bytes()

    inside[8:18, 6:14, 4:24] = 1
    write_volume(mask, venous.with_array(inside))
    with pytest.raises(BadCase):
        predict_cases(Ensemble([model]), sheet, Wanted(tmp_path / "out"))
    assert "0 were finished" not in capsys.readouterr().err
    assert found.read_bytes() != (tmp_path / "alone.nii.gz").read_bytes()


def test_dicom_is_refused_for_a_case_that_is_none_and_an_unknown_format_at_once(
    study, model, tmp_path, capsys
):
    sheet = write_sheet(tmp_path, study)
    with pytest.raises(BadCase):
        predict_cases(Ensemble([model]), sheet, Wanted(tmp_path / "out", ".dcm"))
    assert "refers to the slices of a DICOM series" in capsys.readouterr().err
    with pytest.raises(UserError, match="unknown format"):
        predict_cases(Ensemble([model]), sheet, Wanted(tmp_path / "out", ".png"))


def test_one_table_holds_all_cases_also_those_finished_before_and_those_that_failed(
    study, model, tmp_path
):
    sheet = write_sheet(tmp_path, study, f"gone\tvenous\t{tmp_path / 'gone.nii.gz'}")
    wanted = Wanted(tmp_path / "out", measurements=tmp_path / "table.csv")
    tables = []
    for _ in range(2):
        with pytest.raises(BadCase):
            predict_cases(Ensemble([model]), sheet, wanted)
        tables.append((tmp_path / "table.csv").read_text())
    assert tables[0] == tables[1]
    rows = list(csv.DictReader(io.StringIO(tables[0])))
    assert [(row["case"], row["structure"]) for row in rows] == [
        *(("b", "tumour"), ("c", "tumour"), ("gone", ""))
    ]
    found = read_volume(tmp_path / "out/b.nii.gz")
    millilitres = np.count_nonzero(found.array) * np.prod(found.geometry.spacing) / 1000
    assert float(rows[0]["volume_ml"]) == pytest.approx(millilitres, rel=1e-3)
    assert rows[2]["failed"] == "does not exist"


def test_a_terminal_shows_one_bar_for_the_cases(study, model, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    predict_cases(Ensemble([model]), write_sheet(tmp_path, study), Wanted(tmp_path / "out"))
    assert "2 of 2 cases segmented" in screen.getvalue()
