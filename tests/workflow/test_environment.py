"""The ways to install the environment agree with its pins."""

import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.workspace import ROOT

RUN, ITK, DEVELOP = (
    (ROOT / f"envs/{name}.txt").read_text().split("\n")[:-1]
    for name in ("requirements", "itk", "develop")
)


def test_the_conda_environment_holds_the_pins_and_names_no_other_file():
    *conda, pip = yaml.safe_load((ROOT / "envs/remodal.yaml").read_text())["dependencies"]
    assert pip == {"pip": [*RUN, *ITK]}
    assert all(re.fullmatch(r"[\w.\[\],-]+==[\w.+!]+", pin) for pin in pip["pip"])
    assert conda == ["python=3.11", "pip"]


def test_no_package_is_pinned_twice():
    names = [pin.partition("==")[0].lower() for pin in (*RUN, *ITK, *DEVELOP)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("pins", "wanted"),
    [
        (RUN + ITK, metadata.requires("remodal") or []),
        (RUN + ITK + DEVELOP, [pin.split("==")[0] for pin in DEVELOP]),
    ],
    ids=["to run", "to test"],
)
def test_all_that_a_package_declares_is_pinned(pins, wanted):
    """Nobody would notice a missing package: the files are installed as they are."""
    pinned = {canonicalize_name(Requirement(pin).name) for pin in pins}
    lacking, seen = set(), set()
    waiting = [Requirement(need) for need in wanted]
    while waiting:
        need = waiting.pop()
        known = str(need) in seen or need.name in sys.stdlib_module_names
        if known or not _applies(need, {""}):
            continue
        seen.add(str(need))
        if canonicalize_name(need.name) not in pinned:
            lacking.add(need.name)
            continue
        if need.name in _NAMES_OF_ITK:
            continue  # not installed here, and they only require each other
        for further in map(Requirement, metadata.requires(need.name) or []):
            if _applies(further, need.extras | {""}):
                further.marker = None
                waiting.append(further)
    assert not lacking


_NAMES_OF_ITK = [pin.split("==")[0] for pin in ITK]


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras)


def test_it_is_made_by_make(tmp_path):
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "envs/requirements.txt", "envs/itk.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["make", "envs/remodal.yaml"], cwd=tmp_path, check=True, capture_output=True)
    made = (tmp_path / "envs/remodal.yaml").read_bytes()
    assert made == (ROOT / "envs/remodal.yaml").read_bytes()
