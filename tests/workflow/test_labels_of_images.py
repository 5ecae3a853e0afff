"""A study whose images each have a label, with one unlabelled case: what is planned and made."""

import csv
import re

import pytest
import SimpleITK as sitk
import yaml

from remodal.results.files import read_json
from tests.workflow.test_bad_input import good_case
from tests.workspace import Workspace

pytestmark = pytest.mark.xdist_group("workflow")

PHASES = ("arterial", "venous")
LABELLED = [f"c{number}" for number in range(4)]
STUDY = "results/studies/each-smoke"
METRICS = [f"{STUDY}/metrics/{phase}/fold0-seed0/{phase}.csv" for phase in PHASES]


def masks(folder):
    """The existing label becomes the venous image's and, moved, the arterial image's."""
    label = sitk.ReadImage(str(folder / "label.nii.gz"))
    sitk.WriteImage(label, str(folder / "venous-mask.nii.gz"))
    moved = sitk.GetArrayFromImage(label)
    moved[:, :, :-2] = moved[:, :, 2:]
    moved[:, 1::2] = 0
    moved = sitk.GetImageFromArray(moved)
    moved.CopyInformation(label)
    sitk.WriteImage(moved, str(folder / "arterial-mask.nii.gz"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four cases with two labels and one without, in a study of two methods of one image each."""
    workspace = Workspace(tmp_path_factory.mktemp("each"))
    lines = ["case\tmodality\tpath\tlabel"]
    for seed, case in enumerate((*LABELLED, "u")):
        folder = workspace.folder / "scans" / case
        good_case(folder, seed)
        masks(folder)
        for phase in PHASES:
            label = f"scans/{case}/{phase}-mask.nii.gz" if case != "u" else ""
            lines.append(f"{case}\t{phase}\tscans/{case}/{phase}.nii.gz\t{label}")
    (workspace.folder / "config/each.tsv").write_text("\n".join(lines) + "\n")
    content = {
        "title": "Each phase has a tumour of its own",
        "data": {
            **{"name": "each", "source": "sheet", "sheet": "config/each.tsv", "truth": "image"},
            **{"modalities": [*PHASES], "classes": {"tumour": [2]}},
        },
        "registration": {"fixed": "venous", "method": "none"},
        "scenarios": {phase: [phase] for phase in PHASES},
        "methods": {phase: {"type": "nnunet", "modalities": [phase]} for phase in PHASES},
    }
    (workspace.folder / "config/studies/each.yaml").write_text(yaml.safe_dump(content))
    splits = {"test_fraction": 0.5, "validation_fraction": 0.0}
    config = {"study": "each", "preset": "smoke", "splits": splits}
    (workspace.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    return workspace


def test_each_label_is_converted_and_registered_by_itself(study):
    said = study.snakemake("-n", f"{STUDY}/splits.json").stdout
    jobs = re.findall(
        r"^rule convert_label:\n(?: {4}.*\n)*? {4}wildcards: (.*)", said, re.MULTILINE
    )
    found = {tuple(re.findall(r"(?:case|modality)=(\w+)", job)) for job in jobs}
    assert found == {(case, phase) for case in LABELLED for phase in PHASES}
    for phase in PHASES:
        assert f"results/data/each/registered/u/label-{phase}.nii.gz" in said


@pytest.mark.slow
def test_a_prediction_is_measured_by_the_label_of_its_image(study):
    study.snakemake(*METRICS)
    splits = read_json(study.folder / STUDY / "splits.json")
    assert set(splits["quarantined"]) == {"u"}
    for phase, path in zip(PHASES, METRICS, strict=True):
        with open(study.folder / path) as file:
            rows = list(csv.DictReader(file))
        assert [row["case"] for row in rows] == splits["folds"][0]["test"]
        for row in rows:
            label = sitk.ReadImage(str(study.folder / f"scans/{row['case']}/{phase}-mask.nii.gz"))
            assert int(row["truth_voxels"]) == (sitk.GetArrayFromImage(label) == 2).sum()
