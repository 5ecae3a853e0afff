"""The MLflow store that the environment names."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from remodal.results.paths import Training

#: Tags by which a run is found again: its place in the tree, a digest of all that it holds, and
#: (for a run that a training streams to) the training's identity.
KEY, DIGEST, LIVE = "remodal.key", "remodal.digest", "remodal.live"


def run_key(study: str, method: str, fold: int, seed: int) -> str:
    """Place of a trained model's run in the tree: study > method > fold and seed."""
    return f"{study}/{Training(method, fold, seed).folder}"


def store_uri() -> str:
    """Address of the store: MLFLOW_TRACKING_URI, or else `mlflow.db` in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def client_uri() -> str:
    """The same address, made absolute: a client would keep to where it found a relative one."""
    uri, database = store_uri(), database_file()
    return uri.replace(f":///{database}", f":///{database.absolute()}", 1) if database else uri


def is_server() -> bool:
    """Whether the store is a tracking server, which many jobs may write to at once."""
    return store_uri().startswith(("http://", "https://"))


def database_file() -> Path | None:
    """The file of an SQLite store; None for any other store."""
    parts = urlsplit(store_uri())
    path = parts.path.removeprefix("/")
    return Path(path) if parts.scheme.partition("+")[0] == "sqlite" and path else None


def without_password(text: str) -> str:
    """The text without the user and password that the store's address may contain."""
    user = urlsplit(store_uri()).netloc.rpartition("@")[0]
    return text.replace(f"{user}@", "") if user else text
