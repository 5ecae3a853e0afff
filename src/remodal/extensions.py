"""What is chosen by name: the modules of a folder of ours, and those that other packages add.

Another package adds a method, a data set or a way of registration by an entry point of the group
`remodal.methods`, `remodal.datasets` or `remodal.registration`, whose value is a module of the same
form as those of the folder:

    [project.entry-points."remodal.methods"]
    my_method = "my_package.my_method"

Nothing is imported to list them.
"""

import ast
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from remodal.errors import UserError

#: The folder that holds the modules of a group, as a package and relative to this file.
GROUPS = {
    "remodal.methods": ("remodal.methods", "methods"),
    "remodal.datasets": ("remodal.intake.datasets", "intake/datasets"),
    "remodal.registration": ("remodal.registration.ways", "registration/ways"),
}
OURS = "remodal"


class Extension(NamedTuple):
    """One of them: the module that holds it, and the distribution that it comes from."""

    module: str
    origin: str


@cache
def available(group: str) -> dict[str, Extension]:
    """All of a group by name, ours and those of installed packages.

    Args:
        group: key of `GROUPS`.

    Raises:
        UserError: a package adds a name that is taken.
    """
    package, folder = GROUPS[group]
    files = (Path(__file__).parent / folder).glob("*.py")
    names = sorted(file.stem for file in files if file.stem not in ("__init__", "base"))
    found = {name: Extension(f"{package}.{name}", OURS) for name in names}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        extension = Extension(point.module, _distribution(point))
        if found.setdefault(point.name, extension) != extension:
            raise UserError(
                f"`{point.name}` is there twice, from {found[point.name].origin} and from "
                f"{extension.origin}",
                where=f"entry points `{group}`",
                expected="a name of its own",
                remedy=f"remove {extension.origin}, or rename its entry point",
            )
    return dict(sorted(found.items()))


def require(group: str, name: str, what: str, where: str = "", remedy: str = "") -> Extension:
    """One of a group by name.

    Args:
        group: key of `GROUPS`.
        name: the one.
        what: what it is called in a message, such as `method`.
        where: the setting that names it.
        remedy: what else a user may do.

    Raises:
        UserError: there is none of this name.
    """
    if name in available(group):
        return available(group)[name]
    known = ", ".join(available(group))
    raise UserError(
        f"unknown {what} `{name}`", where=where, expected=f"one of {known}", remedy=remedy
    )


def summary(extension: Extension) -> str:
    """First line of the text at the head of an extension's module, which is read, not imported.

    Raises:
        UserError: as `load`.
    """
    try:
        found = find_spec(extension.module)
        if found is None or found.origin is None:
            raise ImportError(f"there is no module {extension.module}")
        text = ast.get_docstring(ast.parse(Path(found.origin).read_bytes()))
    except (ImportError, SyntaxError) as error:
        raise UserError(
            f"cannot be imported ({error})", where=f"{extension.module} of {extension.origin}"
        ) from error
    return text.splitlines()[0] if text else ""


def load(extension: Extension, holds: str) -> ModuleType:
    """Import the module of an extension.

    Args:
        extension: which one.
        holds: a name that the module must have.

    Raises:
        UserError: a module of another package that cannot be imported, or has no such name.
    """
    try:
        module = import_module(extension.module)
    except ImportError as error:
        if extension.origin == OURS:
            raise
        raise UserError(
            f"cannot be imported ({error})", where=f"{extension.module} of {extension.origin}"
        ) from error
    if not hasattr(module, holds):
        raise UserError(
            f"has no `{holds}`",
            where=f"{extension.module} of {extension.origin}",
            expected="a module of the form of remodal's own",
        )
    return module


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.module
