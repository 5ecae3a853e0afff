"""dvc.yaml is about the study of config/config.yaml, whichever that is, and nobody edits it."""

import pytest
import yaml

from remodal.sharing.shared_study import NAMES, configured_study, name_study
from remodal.sharing.stages import open_repository, shared_stages
from tests.sharing.study import SharedFolder, prepare
from tests.workspace import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The pipeline's configuration and dvc.yaml in a repository of their own."""
    folder = SharedFolder(tmp_path)
    for name in ("config", "dvc.yaml"):
        folder.run("cp", "-a", str(ROOT / name), name)
    own = {"name": "hospital", "source": "sheet", "sheet": "config/samples.tsv", "simulated": False}
    own_study = yaml.safe_dump({"extends": "liver", "data": own})
    (folder / "config/studies/own.yaml").write_text(own_study)
    prepare(folder, "store")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("study", "preset", "results", "dataset"),
    [
        ("liver", "smoke", "liver-smoke", "phantom-smoke"),
        ("own", "demo", "own-demo", "hospital"),
    ],
)
def test_dvc_yaml_names_the_folders_of_the_configured_study(
    folder, study, preset, results, dataset
):
    (folder / "config/config.yaml").write_text(f"study: {study}\npreset: {preset}\n")
    assert name_study(configured_study())
    assert not name_study(configured_study())
    stages = shared_stages(open_repository())
    paths = {str(path) for stage in stages for path in (stage.records, *stage.results)}
    assert f"results/data/{dataset}/registered" in paths
    assert f"results/studies/{results}/models" in paths
    assert all(
        path.startswith((f"results/data/{dataset}/", f"results/studies/{results}/"))
        for path in paths
    )


def test_what_is_in_git_names_the_study_that_is_in_git():
    configured = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    named = yaml.safe_load((ROOT / NAMES).read_text())
    assert named["study"] == f"{configured['study']}-{configured['preset']}"


def test_recording_for_another_study_than_dvc_ran_asks_for_the_same_command_again(folder):
    (folder / "config/config.yaml").write_text("study: liver\npreset: smoke\n")
    (line,) = folder.refusal("record", "data")
    assert "it names `liver-smoke` now: run the same command again" in line
    assert yaml.safe_load((folder / NAMES).read_text())["study"] == "liver-smoke"
