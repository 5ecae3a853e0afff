"""The scans of a sheet, as Snakemake sees them: known by their content, needed only to convert."""

import re

import pytest
import yaml

from tests.workflow.test_bad_input import good_case

CONVERTED = [
    f"results/data/hospital/converted/{case}/{name}.json"
    for case in ("p1", "p2")
    for name in ("arterial", "venous", "label-venous")
]
CONFIG = ("--config", "study=hospital", "preset=smoke")


@pytest.fixture
def hospital(workspace):
    """Two good cases of a sheet, converted and not indexed."""
    lines = ["case\tmodality\tpath\tlabel"]
    for seed, case in enumerate(("p1", "p2")):
        scans = workspace.folder / "scans" / case
        good_case(scans, seed)
        lines.append(f"{case}\tarterial\tscans/{case}/arterial.nii.gz\t")
        lines.append(f"{case}\tvenous\tscans/{case}/venous.nii.gz\tscans/{case}/label.nii.gz")
    (workspace.folder / "config/hospital.tsv").write_text("\n".join(lines) + "\n")
    data = {"name": "hospital", "source": "sheet", "sheet": "config/hospital.tsv"}
    study = {"extends": "liver", "data": data | {"simulated": False}}
    (workspace.folder / "config/studies/hospital.yaml").write_text(yaml.safe_dump(study))
    workspace.snakemake(*CONVERTED, *CONFIG)
    return workspace


def planned(workspace):
    said = workspace.snakemake("--dry-run", *CONVERTED, *CONFIG)
    return sorted(
        re.findall(r"^    output: results/data/hospital/converted/(\S+?)\.", said.stdout, re.M)
    )


def index(workspace, *options):
    settings = "results/data/hospital/settings.yaml"
    return workspace.run("remodal", "index", "--settings", settings, *options).stdout


def test_an_index_frees_what_was_converted_from_the_place_and_the_presence_of_scans(hospital):
    scans, away = hospital.folder / "scans", hospital.folder / "away"
    scans.rename(away)
    assert len(planned(hospital)) == 6
    away.rename(scans)
    assert planned(hospital) == []

    said = index(hospital)
    assert "6 added" in said
    assert "6 finished conversions read what is now indexed: they stay" in said
    assert planned(hospital) == []
    scans.rename(away)
    assert planned(hospital) == []

    (hospital.folder / CONVERTED[0]).unlink()
    failed = hospital.snakemake(CONVERTED[0], *CONFIG, check=False)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "p1, arterial: the source is in the sheet's index but not on this machine" in said
    away.rename(scans)
    hospital.snakemake(CONVERTED[0], *CONFIG)

    (scans / "p2/venous.nii.gz").write_bytes((scans / "p1/venous.nii.gz").read_bytes())
    assert planned(hospital) == []
    assert "scans/p2/venous.nii.gz: content changed" in index(hospital, "--again")
    assert planned(hospital) == ["p2/label-venous", "p2/venous"]
