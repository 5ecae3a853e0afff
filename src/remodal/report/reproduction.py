"""docs/reproduction/<paper>.md: every row of a paper, what it leaves open, and what was measured.

It is generated from the notes (config/published/<paper>.yaml), the printed numbers (<paper>.csv),
the studies' settings and the committed results, so that it cannot drift from any of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from remodal.metrics.registry import require_metric
from remodal.report.choices import DEFAULT, MadeChoice, in_words, made_choice
from remodal.report.paper_notes import Choice, PaperNotes, RowNote, printed_numbers, read_notes
from remodal.report.published import Key, Published
from remodal.report.records import in_full, is_number, record_title
from remodal.report.wording import number
from remodal.results.files import read_json
from remodal.settings import Selection, Settings
from remodal.settings.composition import compose

#: Where results are committed: a folder `<study>-<preset>` for each, with the files of `tables/`.
COMMITTED = Path("docs/results")

_MADE = """Made by `remodal describe-reproduction --paper {paper}` from
`config/published/{paper}.yaml` (what a row is, and what the paper leaves open, which the report
shows too) and `{paper}.csv` (the printed numbers). Values under "here" are those of the preset
`paper`, of the first of these studies that has the rows: {studies}.
"""


class Made(NamedTuple):
    """A choice as it was made, and the settings of the study that it was made in."""

    made: MadeChoice
    settings: Settings


def reproduction(paper: str, committed: Path = COMMITTED) -> str:
    """The page, in Markdown.

    Args:
        paper: name of the paper's files in config/published.
        committed: folder of committed results.

    Raises:
        UserError: no such paper, a wrong file, or a study that does not exist.
    """
    notes, printed = read_notes(paper), printed_numbers(paper)
    studies = {name: _paper_settings(name) for name in notes.studies}
    made = _made(notes, studies)
    lines = [f"# {notes.title}", "", next(iter(studies.values())).citation, ""]
    lines += [_MADE.format(paper=paper, studies=", ".join(f"`{name}`" for name in studies))]
    for table in dict.fromkeys(row.table for row in notes.rows):
        study = next(name for name, chosen in studies.items() if table in chosen.tables)
        lines += [f"## {studies[study].tables[table].title}", ""]
        for row in notes.rows:
            if row.table == table:
                lines += _row(row, study, studies[study], printed, made, committed)
    lines += _exact(notes, studies, printed)
    lines += ["## What the paper leaves open", "", *_left_open(made), ""]
    return "\n".join([*lines, *_not_built(studies, printed)])


def _paper_settings(study: str) -> Settings:
    return compose({"study": study, "preset": "paper"})


def _made(notes: PaperNotes, studies: dict[str, Settings]) -> list[Made]:
    """What each choice is in the first study that it concerns, in the notes' order."""
    made = []
    for choice in notes.choices:
        for settings in studies.values():
            if choice.concerns(settings):
                made.append(Made(made_choice(choice, settings, Path()), settings))
                break
    return made


def _row(
    row: RowNote,
    study: str,
    settings: Settings,
    printed: dict[Key, Published],
    made: Sequence[Made],
    committed: Path,
) -> list[str]:
    label = settings.title_of(row.method)
    lines = [
        f"### {label}, {_images(settings, row.scenario)}",
        "",
        row.definition,
        "",
        f"- **Source:** {row.source}",
    ]
    values = [
        f"{_measure(settings, key)} {'< ' * value.below}{_spread(value.mean, value.sd)}"
        for key, value in printed.items()
        if _is_of(key, row) and key.table == row.table
    ]
    lines.append(f"- **Published:** {', '.join(values) or 'not in the paper'}")
    choices = [one.made.choice for one in made]
    if questions := [choice.question for choice in choices if _is_about(choice, row)]:
        lines.append(f"- **Open:** {' '.join(questions)}")
    measured = _measured(row, study, settings, committed)
    return [*lines, f"- **Measured here:** {'; '.join(measured) or 'nothing committed yet'}", ""]


def _images(settings: Settings, scenario: str) -> str:
    """The images of a scenario and, if they have truths of their own, which is segmented."""
    present, target = settings.scenarios[scenario].present, settings.target_of(scenario)
    return " + ".join(present) + (f", for {target}" if target and len(present) > 1 else "")


def _is_of(cell: Key | Selection, row: RowNote) -> bool:
    """Whether a number belongs to a row; one of a record is of its method, in any scenario."""
    if cell.record:
        return is_number(cell.record) and cell.method == row.method
    return bool(cell.metric) and (cell.method, cell.scenario) == (row.method, row.scenario)


def _measure(settings: Settings, cell: Key | Selection) -> str:
    """A record's title, or a metric's, after the region's name if there are several.

    After it comes what is taken off, if anything is.
    """
    if cell.record:
        return record_title(cell.record)
    title = require_metric(cell.metric).title
    if taken_off := cell.minus if isinstance(cell, Key) else cell.taken_off:
        title += f" minus {_named(settings, taken_off)}"
    several = len(settings.data.regions) > 1
    return f"{settings.heading_of(cell.region)}: {title}" if several else title


def _named(settings: Settings, taken_off: str) -> str:
    """What a cell takes off, for a reader: a method, a scenario, or a method in a scenario."""
    return ", ".join(
        settings.title_of(part) if part in settings.methods else settings.heading_of(part)
        for part in taken_off.split(".")
    )


def _is_about(choice: Choice, row: RowNote) -> bool:
    return row.method in choice.methods and (not choice.tables or row.table in choice.tables)


def _value(made: MadeChoice) -> str:
    """The value used; for a method's default, the value that the notes give."""
    used = in_words(made.choice.here) if made.used == DEFAULT else made.used
    return f"{used} (`{made.choice.option}`)"


def _measured(row: RowNote, study: str, settings: Settings, committed: Path) -> list[str]:
    """The row's means in each committed run of its study."""
    found = []
    for path in sorted(committed.glob(f"{study}-*/summary.json")):
        summary = read_json(path)
        preset = path.parent.name.removeprefix(f"{study}-")
        values = [
            f"{_measure(settings, cell)} {_summarised(summary, key)}"
            for key, cell in _cells(row, settings)
            if summary.get(key) is not None
        ]
        if values:
            found.append(f"preset {preset}: {', '.join(values)}")
    return found


def _cells(row: RowNote, settings: Settings) -> list[tuple[str, Selection]]:
    """The row's cells, each with its key in a committed summary."""
    table = settings.tables[row.table]
    return [
        (f"{row.table}.{line.name}.{column.name}", cell)
        for line, cells in zip(table.rows, settings.cells_of(table))
        for column, cell in zip(settings.columns_of(table), cells)
        if _is_of(cell, row)
    ]


def _summarised(summary: dict[str, Any], key: str) -> str:
    if f"{key}.n" not in summary:  # of a record
        return number(summary[key])
    return f"{_spread(summary[key], summary.get(f'{key}.sd'))} (n = {summary[f'{key}.n']})"


def _spread(mean: float, sd: float | None) -> str:
    return number(mean) if sd is None else f"{number(mean)} ± {number(sd)}"


def _exact(
    notes: PaperNotes, studies: dict[str, Settings], printed: dict[Key, Published]
) -> list[str]:
    """The exact values behind printed numbers, one line each; nothing if none is noted."""
    if not notes.exact:
        return []
    heads = ("method", "number", "exactly", "printed", "how")
    lines = ["## Numbers that follow exactly", "", f"| {' | '.join(heads)} |", "|" + " --- |" * 5]
    titles = {name: each.title_of(name) for each in studies.values() for name in each.methods}
    for one in notes.exact:
        shown = {number(value.mean) for key, value in printed.items() if one.concerns(key)}
        named = record_title(one.record) if one.record else require_metric(one.metric).title
        value = in_full(one.record, one.value) or f"{one.value:g}"
        cells = (titles[one.method], named, value, " and ".join(sorted(shown)), one.reason)
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _left_open(made: Sequence[Made]) -> list[str]:
    """The choices, those that concern every row first."""
    heads = ("question", "rows", "the paper", "here", "why")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for one, settings in sorted(made, key=lambda one: bool(one.made.choice.methods)):
        here = _value(one) if one.used else "a rule"
        cells = (
            one.choice.question,
            _rows(one.choice, settings),
            one.choice.paper,
            here,
            one.reason,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _rows(choice: Choice, settings: Settings) -> str:
    """The rows that a choice concerns: `all`, `all of Table 1, Table 2`, or their methods."""
    if choice.methods:
        known = filter(settings.methods.__contains__, choice.methods)
        return ", ".join(dict.fromkeys(map(settings.title_of, known)))
    titles = [settings.tables[name].title for name in choice.tables if name in settings.tables]
    return f"all of {', '.join(t.partition('.')[0] for t in titles)}" if titles else "all"


def _not_built(studies: dict[str, Settings], printed: dict[Key, Published]) -> list[str]:
    """Printed tables that are in no study."""
    built = {table for settings in studies.values() for table in settings.tables}
    sources = dict.fromkeys(
        value.source.partition(", row")[0]
        for key, value in printed.items()
        if key.table not in built
    )
    if not sources:
        return []
    return ["## Not built yet", "", *(f"- {source}" for source in sources), ""]
