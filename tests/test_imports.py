"""Which package may import which: lower packages know nothing about higher ones."""

import ast
from collections.abc import Iterator
from pathlib import Path

import remodal

ROOT = Path(remodal.__file__).parent

#: For each package, the packages that it may import; all may import `EVERYBODY`.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "extensions": set(),
    "counting": set(),
    "templates": set(),
    "geometry": set(),
    "process": set(),
    "results": set(),
    "networks": set(),
    "objectives": set(),
    "planning": set(),
    "settings": {"results"},
    "cluster": {"intake", "process", "results", "settings"},
    "intake": {"geometry", "process", "results", "settings"},
    "splits": {"intake", "results", "settings"},
    "scan": {"geometry", "intake", "process", "results", "settings"},
    "own_study": {"geometry", "intake", "process", "results", "settings", "sharing"},
    "masks": {"geometry", "intake", "results", "settings"},
    "registration": {"geometry", "intake", "masks", "process", "results", "settings"},
    "phantom": {"geometry", "intake", "results", "settings"},
    "preprocessing": {
        *("geometry", "intake", "masks", "methods", "networks", "objectives", "planning"),
        *("process", "results", "settings", "splits"),
    },
    "methods": {"networks", "objectives", "settings"},
    "models": {"methods", "registration", "results", "settings"},
    "metrics": {"geometry", "intake", "process", "results", "settings"},
    "inference": {
        *("geometry", "intake", "models", "preprocessing", "process", "registration"),
        *("results", "settings", "splits"),
    },
    "prediction": {
        *("geometry", "inference", "intake", "models", "preprocessing", "process"),
        *("registration", "report", "results", "settings"),
    },
    "tracking": {"metrics", "models", "prediction", "process", "results", "settings", "splits"},
    "training": {
        *("methods", "models", "objectives", "preprocessing", "process", "results", "settings"),
        *("splits", "tracking"),
    },
    "report": {
        *("cluster", "geometry", "intake", "metrics", "registration", "results", "settings"),
        "splits",
    },
    "viewer": {
        *("geometry", "intake", "metrics", "preprocessing", "process", "report", "results"),
        *("settings", "splits"),
    },
    "status": {"cluster", "intake", "process", "results", "settings"},
    "run": {
        *("cluster", "intake", "methods", "metrics", "process", "registration", "results"),
        *("settings", "splits", "status"),
    },
    "exchange": {
        *("inference", "intake", "methods", "models", "prediction", "preprocessing", "process"),
        *("registration", "results", "settings", "splits"),
    },
    "identity": {"intake", "process"},
    "sharing": {"intake", "process", "results", "settings"},
}

EVERYBODY = {"errors", "extensions", "counting", "templates", "__version__"}

#: Above all others.
TOP = {"cli", "__main__"}


def test_packages_import_only_those_below_them():
    wrong = [
        f"{module} imports remodal.{imported}"
        for module, package, imported in _imports()
        if package not in TOP and imported not in EVERYBODY | MAY_IMPORT[package]
    ]
    assert not wrong


def test_no_package_imports_itself_through_others():
    below: dict[str, int] = {}
    while len(below) < len(MAY_IMPORT):
        ready = [p for p in MAY_IMPORT if p not in below and set(MAY_IMPORT[p]) <= below.keys()]
        assert ready, f"a cycle among {sorted(set(MAY_IMPORT) - below.keys())}"
        below |= dict.fromkeys(ready, len(below))


def test_the_table_names_every_package_and_no_permission_is_unused():
    used = {(package, imported) for _, package, imported in _imports()}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - TOP == set(MAY_IMPORT) - EVERYBODY
    unused = [(p, q) for p, allowed in MAY_IMPORT.items() for q in allowed if (p, q) not in used]
    assert not unused


def _imports() -> Iterator[tuple[str, str, str]]:
    """Module, its package, and the package of remodal that it imports, wherever it does so."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts == ("__init__",):
            continue
        module = ".".join(("remodal", *parts)).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in _imported(node):
                if name.split(".")[0] == "remodal" and name.split(".")[1:2] != [parts[0]]:
                    yield module, parts[0], [*name.split("."), "__version__"][1]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom) or node.level:
        return []
    if node.module == "remodal":
        return [f"remodal.{alias.name}" for alias in node.names]
    return [node.module or ""]
