"""Run every benchmark and write docs/benchmarks.md: our code beside its peers, in one run.

Each script of this folder prints Markdown; what it measures, against what bar, and what limits it
stands in its docstring, which goes above its figures. `--only NAME` runs some and keeps the rest.
"""

import argparse
import ast
import re
import subprocess
import sys
import time
from pathlib import Path

from remodal.process.progress import progress
from remodal.results.files import write_text
from remodal.results.provenance import hardware, versions

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
ORDER = (
    "start_up",
    "scan",
    "conversion",
    "registration",
    "patches",
    "slices",
    "training_step",
    "level_set",
    "instruction_sets",
    "inference",
    "surface_distances",
    "verdicts",
    "scale",
    "memory",
)
HEAD = """# Benchmarks

Made by `make bench`: every ratio is of two programs that ran side by side, on the machine named.
Absolute times are rough where other work shares the machine; ratios are what to read.
"""


def described(script: Path) -> tuple[str, str]:
    """Title and text of a script's docstring."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or script.stem
    title, _, text = docstring.partition("\n\n")
    return " ".join(title.split()).rstrip("."), text


def section(name: str) -> str:
    """Run one benchmark and return its section of the page.

    Raises:
        SystemExit: the benchmark failed, for example because values differ from the peer's.
    """
    script = FOLDER / f"{name}.py"
    title, text = described(script)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{script.name} failed with exit code {done.returncode}")
    minutes = (time.perf_counter() - start) / 60
    return f"## {title}\n\n{text}\n\n{done.stdout.strip()}\n\n{machine()} {minutes:.1f} minutes.\n"


def machine() -> str:
    """The machine and the versions that matter, in one sentence."""
    found, made_with = hardware(), versions()
    packages = ", ".join(f"{name} {made_with[name]}" for name in ("numpy", "torch", "SimpleITK"))
    memory = f"{found['memory_gib']:.0f} GiB"
    return f"*Measured on {found['cpu']}, {found['cores']} cores, {memory}; {packages}.*"


def earlier() -> dict[str, str]:
    """Sections of the page as it stands, by title."""
    if not PAGE.is_file():
        return {}
    parts = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0].removeprefix("## "): f"{part.rstrip()}\n" for part in parts[1:]}


def main() -> None:
    """Run the benchmarks that are asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ORDER, default=ORDER, help="run just these")
    wanted = parser.parse_args().only
    sections = earlier()
    for name in progress([name for name in ORDER if name in wanted], "benchmarks"):
        sections[described(FOLDER / f"{name}.py")[0]] = section(name)
    titles = [described(FOLDER / f"{name}.py")[0] for name in ORDER]
    write_text(PAGE, "\n".join([HEAD, *(sections[title] for title in titles if title in sections)]))
    print(PAGE)


if __name__ == "__main__":
    main()
