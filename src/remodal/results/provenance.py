"""What a result was made with: code, versions, machine and data.

Light enough for the Snakefile: no heavy import at the top, and `code_hash` only parses source.
"""

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.results.files import read_json

_PACKAGE = Path(__file__).parents[1]

#: Modules whose source decides no result: they only word messages, or describe or show what was
#: done. The same is true of remodal.settings, whose values count (in remodal.settings.stages).
_WITHOUT_EFFECT = frozenset(
    {
        "remodal",
        "remodal.errors",
        "remodal.process.progress",
        "remodal.results.provenance",
        "remodal.tracking",
        "remodal.tracking.live",
    }
)

_LIKE_AN_IMPORT = re.compile(
    r"^[ \t]*(from[ \t]+[\w.]+[ \t]+import[ \t]*\([^)]*\)|(?:from|import)[ \t]+[^\n]+)",
    re.MULTILINE,
)

#: Distributions whose version can change a number.
_KEY_PACKAGES = (
    "SimpleITK",
    "highdicom",
    "itk-elastix",
    "mlflow",
    "numpy",
    "pandas",
    "pydicom",
    "scipy",
    "snakemake",
    "torch",
)

NOT_A_CHECKOUT = "not a git checkout"
NO_RECORDS = "no records of a conversion"


def code_hash(module: str) -> str:
    """Digest of the source of a module and of every module of remodal that it imports.

    Imports are found in the syntax tree, wherever they stand (also inside functions), and followed
    through the package; importing `remodal.a.b` counts `remodal/a/__init__.py` too. Modules that a
    name chosen at run time loads (a method, a data source) are not seen: hash them by themselves.

    Args:
        module: dotted name, such as `remodal.training.loop`; if it is a method from another
            package, that package's modules count too.

    Returns:
        16 hexadecimal digits; the same on every machine, whatever its line endings.

    Raises:
        UserError: there is no such module.
    """
    if _source_file(module) is None:
        raise UserError(
            f"no module `{module}`",
            where=str(_PACKAGE),
            expected="a module of remodal or of a package that extends it",
        )
    digest = hashlib.sha256()
    for name in sorted(_reachable(module)):
        digest.update(f"{name}\0{_source(name)}\0".encode())
    return digest.hexdigest()[:16]


def _reachable(module: str) -> set[str]:
    """The module and all that it imports inside the package, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and not _without_effect(name):
            found.add(name)
            waiting.extend(_imports(name))
    return found


def _without_effect(module: str) -> bool:
    return module in _WITHOUT_EFFECT or f"{module}.".startswith("remodal.settings.")


@cache
def _imports(module: str) -> frozenset[str]:
    """The remodal modules that one module names in its import statements, and its packages."""
    names = set(_packages_of(module))
    for node in _import_statements(_source(module)):
        if isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            candidates = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            candidates = [alias.name for alias in node.names]
        for name in candidates:
            followed = name.partition(".")[0] in ("remodal", module.partition(".")[0])
            if followed and _source_file(name) is not None:
                names.update([name, *_packages_of(name)])
    return frozenset(names)


def _import_statements(source: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a module, at any depth.

    Only lines that begin like one are parsed, which takes a tenth of the time that parsing all of
    them takes; a docstring's line that begins like one is not a statement and is dropped.
    """
    for found in _LIKE_AN_IMPORT.finditer(source):
        try:
            statements = ast.parse(found[1]).body
        except SyntaxError:
            continue
        yield from (node for node in statements if isinstance(node, ast.Import | ast.ImportFrom))


def _packages_of(module: str) -> Iterator[str]:
    """The packages that a module lies in; those without an __init__ file have no source."""
    parts = module.split(".")
    packages = (".".join(parts[:length]) for length in range(1, len(parts)))
    return (package for package in packages if _source_file(package) is not None)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    """Absolute name of the module that a `from ... import` statement names."""
    if not node.level:
        return node.module or ""
    is_package = _source_file(module) == _folder(module) / "__init__.py"
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


@cache
def _source_file(module: str) -> Path | None:
    """The file of a module of remodal or of a package that extends it; None if it has none."""
    folder = _folder(module)
    if folder is None:
        return None
    candidates = (folder / "__init__.py", folder.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _folder(module: str) -> Path | None:
    top, *below = module.split(".")
    base = _PACKAGE if top == "remodal" else _other_package(top)
    return base.joinpath(*below) if base else None


@cache
def _other_package(name: str) -> Path | None:
    """Folder of an installed package, or its one file without the suffix; nothing is imported."""
    spec = find_spec(name) if name else None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).with_suffix("") if spec and spec.has_location else None


@cache
def _source(module: str) -> str:
    path = _source_file(module)
    assert path is not None, module
    return path.read_text(encoding="utf-8")


def data_hash(converted: Path, names: Mapping[str, Sequence[str]]) -> str:
    """Digest of the sources of a data set: every image and label, usable or quarantined.

    It is made from the records of the conversion, which hold a digest of each source's content, so
    no image is read again; it does not depend on where the files were.

    Args:
        converted: folder of `<case>/<name>.json` records.
        names: of each case's images and labels; anything else in the folder came from an earlier
            sheet.

    Returns:
        16 hexadecimal digits, or `NO_RECORDS`.
    """
    digest = hashlib.sha256()
    named = [converted / case / f"{name}.json" for case in names for name in names[case]]
    records = sorted(path for path in named if path.is_file())
    for path in records:
        record = read_json(path)
        source = record["details"].get("sha256")
        digest.update(json.dumps([record["case"], path.stem, record["status"], source]).encode())
    return digest.hexdigest()[:16] if records else NO_RECORDS


def versions() -> dict[str, str]:
    """Versions of Python, of remodal and of the packages that can change a number."""
    found = {"python": platform.python_version(), "remodal": _version("remodal")}
    return found | {name: _version(name) for name in _KEY_PACKAGES}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def git_state() -> dict[str, Any]:
    """Commit of the source tree that runs, and whether tracked files differ from it.

    Returns:
        `commit`: the hash, or `NOT_A_CHECKOUT` for an installed package; `dirty` is then None.
    """
    inside = _git("ls-files", "--error-unmatch", "__init__.py") is not None
    commit = _git("rev-parse", "HEAD") if inside else None
    if commit is None:
        return {"commit": NOT_A_CHECKOUT, "dirty": None}
    return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def _git(*arguments: str) -> str | None:
    """Output of a git command in the package's folder; None where it fails."""
    command = ["git", "-C", str(_PACKAGE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """CPU model, cores this process may use, memory in GiB; GPUs, instructions, threads of torch.

    Torch is not imported for this (it takes seconds); what torch knows is None unless torch was
    already loaded.
    """
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": _gpus(),
        "instruction_set": _instruction_set(),
        "threads": _threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: the share of the machine that a job was given
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _gpus() -> list[str] | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _instruction_set() -> str | None:
    """What torch computes with on this processor, such as AVX2; results differ between them."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    names = torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA")
    return ", oneDNN ".join(filter(None, names))


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_num_threads()
