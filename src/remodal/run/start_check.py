"""Check of a study at each start of Snakemake: what can be told without importing a method.

Only a method knows its options, whether it learns from unlabelled cases and which patches it takes.
Asking it needs torch, which takes seconds and memory, so a process of its own does that, only where
the answer is open, and only once: a study that was found right is not asked about again.
"""

import hashlib
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from remodal.errors import UserError
from remodal.extensions import require
from remodal.methods import require_method
from remodal.registration.ways import check_registration
from remodal.results.files import write_text
from remodal.results.provenance import code_hash
from remodal.run.check import check_foreign, check_metrics
from remodal.settings import Settings
from remodal.settings.composition import write_settings
from remodal.settings.stages import settings_digest

_PACKAGE = Path(__file__).parents[1]


def check_names(settings: Settings, memory: Path | None = None) -> None:
    """Check the registration, the metrics and the methods that a study names.

    Args:
        settings: of the study.
        memory: folder that keeps, for each study, which question was last answered with yes; None:
            nothing is kept.

    Raises:
        UserError: an unknown method, metric or way of registration, an option that it does not have
            or take, unlabelled samples for a method that cannot use them, none for one that needs
            them, or a patch that its network does not take.
    """
    check_registration(settings.registration)
    check_foreign(settings)
    for method in settings.methods.values():
        require_method(method.type)
    check_metrics(settings)
    if not any(_must_be_asked(settings, name) for name in settings.methods):
        return
    if memory is None:
        _ask(settings)
        return
    question, kept = _question(settings), memory / f"{settings.study_id}.checked"
    if not kept.is_file() or kept.read_text(encoding="utf-8") != question:
        _ask(settings)
        write_text(kept, question)


def _must_be_asked(settings: Settings, name: str) -> bool:
    """Whether only a method itself can say if its settings are right.

    Not asked about here are a patch that suits `network.strides`, and a recipe that uses all labels
    and no unlabelled case: the training says at its start if a method with other strides does not
    take the patch, or if it needs unlabelled cases, and `remodal check` says so before.
    """
    recipe = settings.recipe_of(name)
    fits = recipe.patch.fits(settings.network.factor)
    withholds = recipe.takes_unlabelled or recipe.labelled is not None
    return bool(settings.methods[name].options) or withholds or not fits


def _question(settings: Settings) -> str:
    """Digest of all that the answer depends on: settings, our code, that of the methods, torch."""
    types = sorted({method.type for method in settings.methods.values()})
    modules = [require("remodal.methods", name, "method").module for name in types]
    digest = hashlib.sha256(settings_digest(settings).encode())
    for text in (metadata.version("torch"), *map(code_hash, modules)):
        digest.update(text.encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _ask(settings: Settings) -> None:
    """Let a process of its own check a study.

    Raises:
        UserError: what it found.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        write_settings(path, settings)
        command = [sys.executable, "-m", "remodal", "check", "--no-files", "--settings", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["the check of the methods failed"])[-1]
        raise UserError(last.removeprefix("remodal: "))
