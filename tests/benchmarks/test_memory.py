"""What the benchmark of memory runs, short of running it: full sizes take a quarter of an hour."""

import re
from pathlib import Path

import typer

from benchmarks import memory
from remodal.cli import app
from remodal.results.files import write_json
from remodal.splits import fold_of, read_splits

GROUP = typer.main.get_command(app)


def test_its_commands_are_those_of_today(tmp_path):
    stages = []
    for stage, (name, *arguments) in memory.commands(tmp_path):
        GROUP.commands[name].make_context(name, arguments)  # an option that is missing raises
        stages.append(stage)
    assert (stages[0], stages[-1]) == ("simulate", "evaluate")


def test_its_split_can_be_read(tmp_path):
    write_json(tmp_path / "splits.json", memory.one_fold())
    fold = fold_of(read_splits(tmp_path / "splits.json"), 0, tmp_path / "splits.json")
    assert sorted(case for cases in fold.values() for case in cases) == sorted(memory.CASES)


def test_the_cluster_is_asked_for_what_was_measured_and_half_as_much_again():
    page = (memory.ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    measured = page.split("## Memory that each stage needs")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([\d,]+) \| ([\d,]+) \|$", measured, re.MULTILINE)
    assert [stage for stage, _, _ in rows] == list(dict(memory.commands(Path())))
    for stage, peak, asked in rows:
        assert asked == memory.asked(stage), stage
        assert 1.5 * int(peak.replace(",", "")) <= int(asked.replace(",", "")), stage
