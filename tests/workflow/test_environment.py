"""The ways to install the environment agree with its pins."""

import re
import shutil
import subprocess

import yaml

from tests.workspace import ROOT

PINS = (ROOT / "envs/requirements.txt").read_text().split("\n")[:-1]


def test_the_conda_environment_holds_the_pins_and_names_no_other_file():
    *conda, pip = yaml.safe_load((ROOT / "envs/remodal.yaml").read_text())["dependencies"]
    assert pip == {"pip": PINS}
    assert all(re.fullmatch(r"[\w.\[\],-]+==[\w.+!]+", pin) for pin in pip["pip"])
    assert conda == ["python=3.11", "pip"]


def test_it_is_made_by_make(tmp_path):
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "envs/requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["make", "envs/remodal.yaml"], cwd=tmp_path, check=True, capture_output=True)
    made = (tmp_path / "envs/remodal.yaml").read_bytes()
    assert made == (ROOT / "envs/remodal.yaml").read_bytes()
