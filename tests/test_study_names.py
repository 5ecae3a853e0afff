"""General code names no study: modalities, classes and methods appear only in config/."""

import re
from pathlib import Path

import pytest
import yaml

from remodal.metrics.empty_masks import CONVENTIONS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "remodal"
GENERAL = sorted(
    path
    for folder in ("inference", "metrics", "report")
    for path in (PACKAGE / folder).rglob("*")
    if path.suffix in {".py", ".j2", ".css"}
)
#: Kinds of images, after which some studies call their modality.
_OF_THE_FIELD = {"ct", "mr"}
#: `owner/name` of a repository that a fact comes from.
_REPOSITORY = re.compile(r"[\w-]+/[\w-]+(?=[\s,.);:])")


def study_names() -> set[str]:
    """Modalities, classes, regions, methods and their labels of all studies, in lower case."""
    names = {"liver", "tumour", "tumor", "phase"}
    for path in (ROOT / "config" / "studies").glob("*.yaml"):
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        data = study.get("data", {})
        names |= {*data.get("modalities", []), *data.get("classes", {}), *data.get("regions", {})}
        for key, method in study.get("methods", {}).items():
            names |= {key, method.get("label", key)} if method else set()
    # A rule for empty masks is called after the paper that has it, as is that paper's method.
    return {name.lower() for name in names} - _OF_THE_FIELD - set(CONVENTIONS)


@pytest.mark.parametrize("path", GENERAL, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_stage_code_and_templates_name_no_study_s_modality_class_or_method(path):
    text = _REPOSITORY.sub("", path.read_text(encoding="utf-8")).lower()
    found = set(re.findall(r"[a-z0-9_+-]+", text.replace("-", " "))) & study_names()
    assert found == set()
