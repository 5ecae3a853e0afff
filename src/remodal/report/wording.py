"""Numbers and notes as a reader sees them, the same in every format."""

from collections.abc import Callable, Sequence
from math import isnan, nan

from remodal.metrics.contrasts import FEWEST_TRAININGS
from remodal.metrics.statistics import FEWEST_PAIRS
from remodal.report.best import mixed_groups
from remodal.report.comparison import Entry, Row, Table
from remodal.report.published import REPRODUCIBILITY, SPREADS

#: Cases that a note names.
_LISTED = 8

DASH = "–"
MINUS = "−"


def number(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """A number for reading, with a real minus sign; a dash when there is none."""
    if value is None or isnan(value):
        return DASH
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def p_value(value: float) -> str:
    """A p value for reading: three decimals, or `< 0.001`."""
    if isnan(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Seconds as `1 h 02 min`, `3 min 05 s` or `4.2 s`."""
    if not seconds:
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def gibibytes(count: float | None) -> str:
    """Bytes in GiB."""
    return f"{count / 2**30:.2f} GiB" if count else DASH


def millions(count: float | None) -> str:
    """A number of parameters in millions."""
    return f"{count / 1e6:.2f} M" if count else DASH


def published_text(entry: Entry) -> str:
    """`mean ± sd` as printed; a dash where the paper prints nothing."""
    if entry.published is None:
        return DASH
    mean, sd = entry.published.mean, entry.published.sd
    return number(mean) if sd is None else f"{number(mean)} ± {number(sd)}"


def ours_text(entry: Entry) -> str:
    """`mean ± sd over cases`, or why there is none."""
    if entry.summary is None or entry.status != "ok":
        return entry.status
    if isnan(entry.summary.sd):
        return number(entry.summary.mean)
    return f"{number(entry.summary.mean)} ± {number(entry.summary.sd)}"


def metric_texts(table: Table, entry: Entry, bold: Callable[[str], str]) -> dict[str, str]:
    """A row's cells of one metric, by the headings of `Table.parts`; `bold` marks the best."""
    printed, ours = published_text(entry), ours_text(entry)
    return {
        "published": bold(printed) if entry.published_best else printed,
        "ours": bold(ours) if entry.best else ours,
        "difference": number(table.difference(entry), signed=True),
        "p": p_value(entry.p_holm),
    }


def retraining_text(entry: Entry) -> str:
    """Spread of the means of seeds and of folds, where there are several."""
    parts = []
    if entry.summary is not None and not isnan(entry.summary.seed_sd):
        parts.append(f"seeds ± {number(entry.summary.seed_sd)}")
    if not isnan(entry.fold_sd):
        parts.append(f"folds ± {number(entry.fold_sd)}")
    return ", ".join(parts)


def notes(table: Table) -> list[str]:
    """What a reader must know to read the table, in full sentences."""
    ours = "Ours are means ± standard deviations over test cases, each averaged over its seeds."
    published = [e.published for row in table.rows for e in row.entries if e.published]
    spreads = sorted({SPREADS[p.spread] for p in published} - {""})
    if spreads:
        ours += f" The published ± is taken to be over {' or '.join(spreads)}."
    lines = [ours, *_spread_notes(table)]
    lines.append(
        "n counts cases with a defined value; missed are predictions that are empty although there "
        "was something to find; undefined are predictions without a value, which no mean includes."
    )
    lines += _left_out_notes(table)
    if table.compared:
        lines.append(
            "p is the paired Wilcoxon signed-rank test over patients against "
            f"{' or '.join(_references(table))}, Holm-corrected over the table's "
            f"{len(table.compared)} comparisons."
        )
        lines += _evidence_notes(table)
    if _counts_differ(table) and not mixed_groups(table.rows):
        lines.append(
            "Where the number of cases differs within a group, no value of ours is marked as best."
        )
    lacking = [
        f"{row.label} ({row.entries[0].runs} of {table.runs_expected})"
        for row in table.rows
        if row.entries and 0 < row.entries[0].runs < table.runs_expected
    ]
    if lacking:
        lines.append(f"Not all trained models have been measured: {', '.join(lacking)}.")
    if table.reproducibility:
        lines.append(REPRODUCIBILITY[table.reproducibility])
    return lines


def _evidence_notes(table: Table) -> list[str]:
    """What the table's comparisons cannot show."""
    lines = []
    comparisons = [e.comparison for _, e in table.compared if e.comparison is not None]
    if any(found.patients < FEWEST_PAIRS for found in comparisons):
        lines.append(
            f"With fewer than {FEWEST_PAIRS} patients no difference can be significant, and an "
            "interval says little."
        )
    if any(found.trainings < FEWEST_TRAININGS for found in comparisons):
        lines.append(
            f"With fewer than {FEWEST_TRAININGS} trainings of each row, p and interval are about "
            "these trainings only: another training of the same method may give another order."
        )
    return lines


def _left_out_notes(table: Table) -> list[str]:
    """Which test cases are not in which rows, and why."""
    lines = []
    for scenario, cases in table.left_out.items():
        listed = [f"{case} lacks {' and '.join(names)}" for case, names in cases.items()]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        lines.append(
            f"Not in the rows of the scenario {scenario}: {', '.join(listed[:_LISTED])}{more}."
        )
    if mixed_groups(table.rows):
        lines.append(
            "Where rows of a group were measured on other cases, no value of ours is marked as "
            "best."
        )
    return lines


def _counts_differ(table: Table) -> bool:
    counts: dict[tuple[str, str], set[int]] = {}
    for row in table.rows:
        for entry in row.entries:
            if entry.summary is not None:
                key = (row.group, entry.column.title)
                counts.setdefault(key, set()).add(entry.summary.n)
    return any(len(found) > 1 for found in counts.values())


def _spread_notes(table: Table) -> list[str]:
    """How far a mean moves with another seed or fold."""
    if table.runs_expected == 1:
        return ["One model was trained for each row, so the spread over seeds is not known."]
    lines = []
    for word, spread in (("seed", _seed_sd), ("fold", lambda entry: entry.fold_sd)):
        ranges = []
        for i, column in enumerate(table.columns):
            found = [spread(row.entries[i]) for row in table.rows]
            found = [value for value in found if not isnan(value)]
            if found:
                ranges.append(f"{number(min(found))} to {number(max(found))} for {column.title}")
        if ranges:
            lines.append(
                f"The standard deviation of a mean from {word} to {word} is {', '.join(ranges)}."
            )
    return lines


def _seed_sd(entry: Entry) -> float:
    return nan if entry.summary is None else entry.summary.seed_sd


def _references(table: Table) -> list[str]:
    labels = {row.method: row.label for row in table.rows}
    return list(dict.fromkeys(labels.get(r.reference, r.reference) for r, _ in table.compared))


COMPARED = ("Method", "Metric", "Mean difference", "95 % interval", "Patients", "p", "p (Holm)")


def compared_texts(row: Row, entry: Entry) -> list[str]:
    """One paired comparison, under the headings of `COMPARED`."""
    found = entry.comparison
    assert found is not None
    heading = f"{row.label}, {row.group}" if row.group else row.label
    interval = f"{number(found.low, signed=True)} to {number(found.high, signed=True)}"
    return [
        heading,
        entry.column.title,
        number(found.estimate, signed=True),
        DASH if isnan(found.low) else interval,
        str(found.patients),
        p_value(entry.p),
        p_value(entry.p_holm),
    ]


COUNTS = ("n", "missed", "undefined")


def count_texts(row: Row) -> list[str]:
    """n, missed and undefined; where the metrics differ, one number each, in their order."""
    summaries = [entry.summary for entry in row.entries if entry.summary is not None]
    if not summaries:
        return [DASH] * len(COUNTS)
    return [
        _together([s.n for s in summaries]),
        str(summaries[0].missed),
        _together([s.undefined for s in summaries]),
    ]


def _together(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else " / ".join(map(str, counts))
