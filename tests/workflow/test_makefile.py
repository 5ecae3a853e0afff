"""`make`, as a newcomer meets it."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "pyproject.toml", "envs", "config"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=path | environment,
        capture_output=True,
        text=True,
    )


def fake_python(folder: Path, pip: str) -> str:
    """A `python3` whose environment's pip does what the test says."""
    program = folder / "python"
    program.write_text(
        f'#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; '
        f"else {pip}; fi\n"
    )
    program.chmod(0o755)
    return str(program)


def test_pip_s_warnings_stay_in_a_file(tmp_path):
    python = fake_python(tmp_path, "seq 500 | sed 's/^/WARNING: harmless /'")
    done = make(tmp_path, "environment", f"PYTHON={python}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Creates the environment in .venv")
    assert (done.stdout + done.stderr).count("\n") == 1
    assert (tmp_path / ".venv/install.log").read_text().count("harmless") == 1000


def test_a_pip_that_fails_shows_its_error(tmp_path):
    python = fake_python(tmp_path, "seq 500; echo 'ERROR: no such version' >&2; exit 1")
    failed = make(tmp_path, "environment", f"PYTHON={python}")
    assert failed.returncode != 0
    assert "ERROR: no such version" in failed.stdout
    assert "all it said: .venv/install.log" in failed.stdout
    assert len(failed.stdout.splitlines()) < 30
    assert not (tmp_path / ".venv/ready").exists()


def test_the_demo_says_first_what_it_does_and_last_whether_its_tables_are_the_known_ones(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    snakemake = tmp_path / ".venv/bin/snakemake"
    snakemake.write_text('#!/bin/sh\necho "$REMODAL_COMMAND: $*"\n')
    snakemake.chmod(0o755)
    remodal = tmp_path / ".venv/bin/remodal"
    remodal.write_text(
        '#!/bin/sh\ncase $1 in first) echo "--prioritize this";; *) echo "remodal $*";; esac\n'
    )
    remodal.chmod(0o755)
    shutil.copy(snakemake, tmp_path / ".venv/ready")  # newer than what it is made of
    first, second, *_, last = make(tmp_path, "demo").stdout.splitlines()
    assert "ten minutes" in first
    assert second.startswith("make demo: --cores ")
    assert second.endswith("--config study=liver preset=demo --prioritize this")
    assert "--verbose" not in second
    assert last == "remodal compare results/studies/liver-demo docs/results/liver-demo"
    other = make(tmp_path, "demo", "STUDY=other").stdout
    assert "--config study=other preset=demo" in other
    assert "results/studies/other-demo/report" in other
    assert "--verbose" in make(tmp_path, "demo", "VERBOSE=1").stdout
