"""A MONAI bundle gives the segmentation that `remodal predict` gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.exchange.own_environment import environment

from remodal.errors import UserError
from remodal.exchange.bundle_export import export_bundle
from remodal.intake.nifti import read_volume
from remodal.prediction.patient import predict_patient

#: As `python -m monai.bundle run` does, which needs a package (fire) for its command line.
_RUN = """
import sys, json
for package in json.loads(sys.argv[2]):
    sys.modules[package] = None
from monai.bundle import run
run(run_id="run", config_file="configs/inference.json", **json.loads(sys.argv[1]))
import remodal
print(remodal.__file__)
"""
#: remodal's other dependencies, which the environment of a bundle need not have.
_NOT_NEEDED = [
    *("highdicom", "itk", "jinja2", "lightning", "matplotlib", "mlflow", "pandas", "psutil"),
    *("requests", "skimage", "snakemake", "typer"),
]


def run_bundle(folder, images, output, python=sys.executable):
    """Run a bundle in its folder, where no other remodal is found first, with what it needs."""
    changes = {f"images#{name}": str(path) for name, path in images.items()}
    changes |= {"output": str(output), "device": "$torch.device('cpu')"}
    done = subprocess.run(
        [python, "-c", _RUN, json.dumps(changes), json.dumps(_NOT_NEEDED)],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(folder)


def unregistered(study):
    """Changes of a model's description: images are on one grid."""
    registration = study.settings.registration.model_copy(update={"method": "none"})
    return {"registration": registration.model_dump(mode="json")}


@pytest.mark.parametrize(
    ("method", "modalities"),
    [("nnunet_venous", ["venous"]), ("maml", ["arterial", "venous"]), ("maml", ["venous"])],
)
def test_a_bundle_segments_as_remodal_predict_does(trained_study, tmp_path, method, modalities):
    model = trained_study.model(method, **unregistered(trained_study))
    images = {name: trained_study.registered / f"b/{name}.nii.gz" for name in modalities}
    predict_patient(model, images, tmp_path / "ours.nii.gz")
    export_bundle(model, tmp_path / "bundle", modalities=modalities)
    run_bundle(tmp_path / "bundle", images, tmp_path / "theirs.nii.gz")
    ours, theirs = (read_volume(tmp_path / f"{who}.nii.gz") for who in ("ours", "theirs"))
    assert ours.geometry.agrees_with(theirs.geometry)
    assert len(np.unique(ours.array)) > 1
    np.testing.assert_array_equal(ours.array, theirs.array)


def test_metadata_say_what_goes_in_and_what_comes_out(trained_study, tmp_path):
    told = export_bundle(trained_study.model("maml"), tmp_path / "bundle")
    assert "--images#arterial" in told[-1]
    assert "--images#venous" in told[-1]
    written = json.loads((tmp_path / "bundle/configs/metadata.json").read_text())
    needed = {"version", "changelog", "monai_version", "pytorch_version", "numpy_version", "task"}
    needed |= {"required_packages_version", "description", "authors", "copyright"}
    assert needed <= set(written)
    formats = written["network_data_format"]
    assert formats["inputs"]["image"]["channel_def"] == {"0": "arterial", "1": "venous"}
    assert formats["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "tumour"}
    network = torch.jit.load(tmp_path / "bundle/models/model.ts")
    shape = formats["inputs"]["image"]["spatial_shape"]
    found = network(torch.randn(1, 2, *shape))
    assert found.shape == (1, 2, *shape)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, *shape))


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, {"modalities": ["t1"]}, "--modalities: no modality `t1`; expected arterial, venous"),
        ({}, {"target": "venous"}, "share one truth, so there is nothing to choose"),
        ({"inference": {"window": "whole"}}, {}, "the model predicts whole images at once"),
        (
            {"crop": {"by": "mask"}},
            {},
            "needs a mask of each patient, which a bundle has no input for; expected",
        ),
    ],
)
def test_what_a_bundle_cannot_do_is_told_in_one_line(
    trained_study, tmp_path, changes, options, said
):
    settings = trained_study.settings
    described = {"inference": settings.inference.model_dump(mode="json")}
    described["preprocessing"] = settings.preprocessing.model_dump(mode="json")
    described["inference"] |= changes.get("inference", {})
    described["preprocessing"]["crop"] |= changes.get("crop", {})
    model = trained_study.model("maml", **described)
    with pytest.raises(UserError, match=said) as told:
        export_bundle(model, tmp_path / "bundle", **options)
    assert "\n" not in str(told.value)


@pytest.mark.slow
@pytest.mark.network
def test_a_bundle_runs_by_the_command_line_of_monai_in_an_environment_of_its_own(
    trained_study, tmp_path
):
    model = trained_study.model("nnunet_venous")
    image = trained_study.registered / "b/venous.nii.gz"
    predict_patient(model, {"venous": image}, tmp_path / "ours.nii.gz")
    told = export_bundle(model, tmp_path / "bundle")
    programs = environment(tmp_path / "venv", ["fire", "termcolor"])
    command = told[-1].replace("/path/of/venous.nii.gz", str(image))
    command = command.replace("/path/of/segmentation.nii.gz", str(tmp_path / "theirs.nii.gz"))
    done = subprocess.run(
        command.replace("python", str(programs / "python"), 1),
        shell=True,
        cwd=tmp_path / "bundle",
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = (read_volume(tmp_path / f"{who}.nii.gz") for who in ("ours", "theirs"))
    np.testing.assert_array_equal(ours.array, theirs.array)
