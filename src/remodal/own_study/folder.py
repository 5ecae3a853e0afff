"""A folder that studies run in: its own config/ and results/, and links to remodal's checkout.

Snakemake looks for the workflow and its profiles in the folder in which it starts, DVC for its
pipeline. Links give it these, so that one checkout serves many folders and none is edited.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from remodal.errors import EnvironmentProblem, UserError
from remodal.results.files import explain, write_text
from remodal.settings.places import CONFIG, REPOSITORY
from remodal.sharing.shared_study import names_text

#: What is linked: Snakemake's files, the cluster's profile, the environments and DVC's dependency.
LINKED = ("Snakefile", "workflow", "profiles", "slurm", "envs", "src")

_CHOSEN = """\
# What `snakemake` runs. Every key of a study or preset may be set here too.
study: {name}
preset: smoke
"""


def prepare_folder(folder: Path, name: str) -> Iterator[str]:
    """Make a folder one that studies run in; what is there stays.

    Args:
        folder: the one to work in; in remodal's own checkout nothing is to be done.
        name: of the study that `snakemake` runs without options.

    Yields:
        A line for what was written.

    Raises:
        UserError: remodal was installed without its workflow.
        EnvironmentProblem: something cannot be written.
    """
    if folder.resolve() == REPOSITORY:
        return
    if not (REPOSITORY / "Snakefile").is_file():
        raise UserError(
            "remodal was installed without its workflow",
            where=str(REPOSITORY),
            expected="a checkout, in which `make` was run",
        )
    made = [name for name in LINKED if _link(folder / name, REPOSITORY / name)]
    if made:
        yield f"{', '.join(made)}: links to {REPOSITORY}"
    ignored = [*(f"/{name}" for name in LINKED), (REPOSITORY / ".gitignore").read_text("utf-8")]
    for path, text in (
        (folder / CONFIG / "config.yaml", _CHOSEN.format(name=name)),
        (folder / CONFIG / "shared.yaml", names_text(f"{name}-smoke", name)),
        (folder / "dvc.yaml", (REPOSITORY / "dvc.yaml").read_text("utf-8")),
        (folder / ".gitignore", "\n".join(ignored)),
    ):
        if not path.exists():
            write_text(path, text)
            yield str(path.relative_to(folder))


def _link(path: Path, target: Path) -> bool:
    """Make a link if nothing is there, or one that leads nowhere; return whether it was made.

    Raises:
        UserError: something else is there.
        EnvironmentProblem: it cannot be made.
    """
    if path.is_symlink() and not path.exists():
        path.unlink()  # the checkout was moved
    if path.exists():
        if path.resolve() != target.resolve():
            raise UserError(
                f"is not remodal's ({target})",
                where=str(path),
                expected="nothing, or a link",
                remedy="take another folder for your studies",
            )
        return False
    try:
        os.symlink(target, path)
    except OSError as error:
        explained = explain(error, path)
        if isinstance(explained, EnvironmentProblem):
            raise explained from error
        raise
    return True
