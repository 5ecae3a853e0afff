"""Trained models in MLflow's registry, ready for `mlflow models serve`; nothing is pickled.

A version holds the weights, their description, this package's code and the versions of the packages
that it needs, so that it predicts without the study.
"""

import re
import warnings
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from remodal.results.files import read_json, sha256
from remodal.tracking.address import DIGEST

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

#: Folder of a run's artefacts that holds the model to serve.
_SERVABLE = "servable"
_CODE = Path(__file__).with_name("served_model.py")
_PACKAGE = Path(__file__).parents[1]

#: Modules that run studies, draw or share, and are not needed to predict.
_NOT_TO_PREDICT = {"dvc", "jinja2", "matplotlib", "snakemake", "snakemake-executor-plugin-slurm"}


def register(client: "MlflowClient", run_id: str, folder: Path, name: str, alias: str) -> str:
    """Make sure that a version of the registered model holds this one; return its number.

    Args:
        client: of the store.
        run_id: run of the model, which takes the files.
        folder: of the trained model.
        name: of the registered model; made if need be.
        alias: which of its models this is, such as `fold0-seed0`; it moves to the newest version.
    """
    described = folder / "model.json"
    digest = sha256(described)[:16]
    known = client.search_registered_models(f"name='{name}'")
    if not known:
        client.create_registered_model(name)
    version = _find(client, name, digest)
    if version is None:
        version = _add(client, run_id, folder, name, read_json(described), digest)
    if not known or str(known[0].aliases.get(alias)) != version:
        client.set_registered_model_alias(name, alias, version)
    return version


def _find(client: "MlflowClient", name: str, digest: str) -> str | None:
    """The version with this content whose files are not in the bin; if several, the oldest."""
    versions = client.search_model_versions(f"name='{name}'")
    for version in sorted(versions, key=lambda v: int(v.version)):
        if version.status == "READY" and version.tags.get(DIGEST) == digest:
            run = client.get_run(version.run_id)
            if run.info.lifecycle_stage == "active":
                return str(version.version)
    return None


def _add(
    client: "MlflowClient",
    run_id: str,
    folder: Path,
    name: str,
    described: dict[str, Any],
    digest: str,
) -> str:
    """Store a model with its run, and register it as a version."""
    from mlflow.pyfunc import save_model

    with TemporaryDirectory() as temporary, warnings.catch_warnings():
        # MLflow would like an example to infer a signature from; ours is given.
        warnings.simplefilter("ignore", UserWarning)
        path = Path(temporary) / _SERVABLE
        save_model(
            path,
            python_model=str(_CODE),
            artifacts={
                "weights": str(folder / "model.safetensors"),
                "description": str(folder / "model.json"),
            },
            signature=_signature(described["modalities"]),
            code_paths=[str(_PACKAGE)],
            pip_requirements=_requirements(),
        )
        client.log_artifacts(run_id, str(path), _SERVABLE)
    version = client.create_model_version(
        name,
        f"{client.get_run(run_id).info.artifact_uri}/{_SERVABLE}",
        run_id,
        tags={
            DIGEST: digest,
            "weights.sha256": described["weights_sha256"],
            "data.simulated": str(described["simulated"]).lower(),
        },
        description=f"{described['label']}, fold {described['fold']}, seed {described['seed']}",
    )
    return str(version.version)


def _signature(modalities: list[str]) -> "ModelSignature":
    """One row per patient: the paths of the images, some possibly missing, and of the result."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    images = [ColSpec("string", modality, required=False) for modality in modalities]
    output = ColSpec("string", "output")
    return ModelSignature(inputs=Schema([*images, output]), outputs=Schema([output]))


def _requirements() -> list[str]:
    """What this package needs to predict, in the versions that are installed here."""
    wanted = metadata.requires("remodal") or []
    names = (re.match(r"[\w.-]+", line)[0] for line in wanted if "extra ==" not in line)
    return [
        # A build's own label (`+cpu`) is no published version.
        f"{name}=={metadata.version(name).partition('+')[0]}"
        for name in sorted(names)
        if name.lower() not in _NOT_TO_PREDICT
    ]
