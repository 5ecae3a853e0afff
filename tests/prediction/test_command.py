"""The command line of `remodal predict`."""

import pytest
from typer.testing import CliRunner

from remodal.cli import app
from remodal.errors import ExitCode
from remodal.intake.nifti import read_volume


def run(*arguments: object):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.fixture
def model(study):
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    return study.model("maml", fold=2, registration=unregistered.model_dump(mode="json"))


def test_one_patient_or_a_sheet_with_all_that_may_be_written(study, model, tmp_path):
    venous = study.registered / "b/venous.nii.gz"
    options = ["--uncertainty", tmp_path / "doubt.nrrd", "--measurements", tmp_path / "table.csv"]
    options += ["--report", tmp_path / "page.html"]
    done = run("--model", model, "--venous", venous, "-o", tmp_path / "p1.mha", *options)
    assert done.exit_code == 0, done.output
    assert read_volume(tmp_path / "p1.mha").array.dtype == "uint8"
    assert (tmp_path / "table.csv").read_text().splitlines()[1].startswith("p1,tumour,")
    (tmp_path / "sheet.tsv").write_text(f"case\tmodality\tpath\nb\tvenous\t{venous}\n")
    done = run(
        *("--model", model, "--cases", tmp_path / "sheet.tsv", "-o", tmp_path / "all"),
        *("--format", ".nrrd", "--uncertainty", tmp_path / "maps"),
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "all/b.nrrd").is_file()
    assert (tmp_path / "maps/b.nii.gz").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cases", "sheet.tsv", "--venous", "scan"], "the sheet names the images"),
        (["--venous"], "`--venous` has no path"),
        (["--venous", "one", "--venous=other"], "`--venous` is there twice"),
        (["--venous", "scan", "--mask", "mask.nii.gz"], "--mask: `mask.nii.gz`; expected a name"),
        (
            ["--venous", "scan", "--mask", "venous=a", "--mask", "venous=b"],
            "`venous` is there twice",
        ),
        (["--venous", "scan", "--format", ".nrrd"], "--format .nrrd: the output's name says"),
        (["--venous", "scan", "--uncertainty", "map.dcm"], "map.dcm: unknown image format"),
    ],
)
def test_a_wrong_command_is_one_clear_line(model, tmp_path, arguments, said):
    done = run("--model", model, "-o", tmp_path / "found.nii.gz", *arguments)
    assert said in str(done.exception)


def test_a_sheet_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("remodal.prediction.ensemble.Ensemble", lambda models: None)
    monkeypatch.setattr("remodal.prediction.cases.predict_cases", interrupted)
    done = run("--model", "m", "--cases", tmp_path / "sheet.tsv", "-o", tmp_path / "all")
    assert done.exception.exit_code == ExitCode.INTERRUPTED
    assert "what was finished is kept; the same command continues" in str(done.exception)
