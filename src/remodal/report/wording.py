"""Numbers and notes as a reader sees them, the same in every format."""

from collections.abc import Callable, Sequence
from math import isnan

from remodal.metrics.contrasts import FEWEST_TRAININGS
from remodal.metrics.statistics import FEWEST_PAIRS
from remodal.report.best import cases_differ, counts_differ
from remodal.report.cells import Entry, Row, Table
from remodal.report.consistency import printed_inconsistencies
from remodal.report.noise_marks import MARK
from remodal.report.published import REPRODUCIBILITY, SPREADS
from remodal.report.records import digits_of
from remodal.settings.tables import Mean, Spread

#: The most cases that a note names.
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
    """`mean ± sd` or `< bound` as printed; a dash where the paper prints nothing."""
    if entry.published is None:
        return DASH
    text = _with_spread(entry.published.mean, entry.published.sd, entry)
    return f"< {text}" if entry.published.below else text


def ours_text(entry: Entry) -> str:
    """`mean ± sd` as the column sums it up, a record, or why there is none."""
    if entry.status != "ok":
        return entry.status
    if entry.is_exact:
        return f"{entry.in_full} (exact)"
    if entry.recorded is not None:
        return entry.recorded.text
    return _with_spread(entry.mean, entry.sd, entry) + (f" {MARK}" if entry.is_noise else "")


def _with_spread(mean: float, sd: float | None, entry: Entry) -> str:
    digits = digits_of(entry.cell.record)
    if sd is None or isnan(sd):
        return number(mean, digits)
    return f"{number(mean, digits)} ± {number(sd, digits)}"


def metric_texts(table: Table, entry: Entry, bold: Callable[[str], str]) -> dict[str, str]:
    """What stands in a cell, by the headings of `Table.parts`; `bold` marks the best."""
    if entry.is_empty:
        return dict.fromkeys(("published", "ours", "difference", "p", ""), "")
    printed, ours = published_text(entry), ours_text(entry)
    digits = digits_of(entry.cell.record)
    return {
        "published": bold(printed) if entry.published_best else printed,
        "ours": bold(ours) if entry.best else ours,
        "difference": number(table.difference(entry), digits, signed=True),
        "p": p_value(entry.p_holm),
        "": ours,
    }


def retraining_text(entry: Entry) -> str:
    """Spread of the means of seeds and of folds, if several; not the one that is already shown."""
    if entry.summary is None:
        return ""
    spreads = {"seeds": entry.summary.seed_sd, "folds": entry.summary.fold_sd}
    return ", ".join(
        f"{word} ± {number(spread)}"
        for word, spread in spreads.items()
        if not isnan(spread) and word != entry.column.spread
    )


def notes(table: Table) -> list[str]:
    """What a reader must know to read the table, in full sentences."""
    ours = _summed_up(table)
    published = [e.published for _, e in table.entries if e.published]
    spreads = sorted({SPREADS[p.spread] for p in published} - {""})
    if spreads:
        ours += f" The published ± is taken to be over {' or '.join(spreads)}."
    lines = [*([" ".join(table.label_use)] if table.label_use else []), ours]
    lines += _spread_notes(table)
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
    if table.noise:
        lines.append(
            "The noise floor is the mean absolute difference of the means of two trainings of a "
            "method on the same fold, averaged over folds and scenarios; a difference below it is "
            "what another training of the same method gives."
        )
    if counts_differ(table.rows) and not cases_differ(table.rows):
        lines.append(
            "Where the number of cases differs within a group, no value of ours is marked as best."
        )
    lacking = dict.fromkeys(
        f"{table.labels[e.cell.method]} ({e.runs} of {table.runs_expected})"
        for _, e in table.entries
        if 0 < e.runs < table.runs_expected
    )
    if lacking:
        lines.append(f"Not all trained models have been measured: {', '.join(lacking)}.")
    lines += printed_inconsistencies(table)
    return [*lines, *_reproducibility_notes(table)]


def _reproducibility_notes(table: Table) -> list[str]:
    """How the published numbers can be reproduced, and whether those that follow exactly are."""
    kinds = table.reproducibility
    lines = []
    for kind, titles in kinds.items():
        under = f" Here: {', '.join(titles)}." if len(kinds) > 1 else ""
        other = " This run's are simulated." if table.simulated and kind == "B" else ""
        lines.append(REPRODUCIBILITY[kind] + other + under)
    counted = [
        (row.label, entry.is_exact, entry.published)
        for row, entry in table.entries
        if entry.in_full and entry.published and entry.published.reproducibility == "A"
    ]
    exact = [(label, printed) for label, is_exact, printed in counted if is_exact]
    if exact:
        cut = any(printed.truncated and not printed.derivation for _, printed in exact)
        how = ", which the paper cuts off rather than rounds" if cut else ""
        lines.append(
            f"A count marked (exact) is reproduced exactly: all its digits are shown{how}."
        )
        told: dict[str, dict[str, None]] = {}
        for label, printed in exact:
            told.setdefault(printed.derivation, {})[label] = None
        lines += [f"{', '.join(labels)}: {how}." for how, labels in told.items() if how]
    if len(exact) < len(counted):
        lines.append(
            "Where a count is not marked, the network trained here is not the paper's, and the "
            "published count does not hold for it."
        )
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
    if any(found.trainings >= FEWEST_TRAININGS for found in comparisons):
        lines.append(
            "p allows for no other training. The interval, and the verdict on a claim, do, "
            "so zero may be inside the interval though p is small."
        )
    return lines


def _left_out_notes(table: Table) -> list[str]:
    """Which test cases are missing from which rows, and why."""
    lines = []
    for scenario, cases in table.left_out.items():
        listed = [f"{case} lacks {' and '.join(names)}" for case, names in cases.items()]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        lines.append(
            f"Not in the rows of the scenario {scenario}: {', '.join(listed[:_LISTED])}{more}."
        )
    if cases_differ(table.rows):
        lines.append(
            "Where rows of a group were measured on other cases, no value of ours is marked as "
            "best."
        )
    return lines


_MEANS = {
    "cases": "means over test cases, each averaged over its seeds",
    "folds": "means of the folds' means",
    "pairs": "means over all pairs of a test case and another patient's image",
}
_ALIKE = {
    "folds": "the folds' means",
    "pairs": "all pairs of a test case and another patient's image",
}
_SPREADS = {
    "cases": "standard deviations over test cases",
    "folds": "standard deviations over the folds' means",
    "seeds": "standard deviations over the seeds' means",
    "pairs": "standard deviations over all pairs of a test case and another patient's image",
}


def _summed_up(table: Table) -> str:
    """What our means, and the spread after each, are taken over; by column where these differ."""
    kinds: dict[tuple[Mean, Spread], list[str]] = {}
    for column in dict.fromkeys(e.column for _, e in table.entries if e.metric):
        kinds.setdefault((column.mean, column.spread), []).append(table.title_of(column))
    if len(kinds) == 1:
        return f"Ours are {summed(*next(iter(kinds)))}."
    said = [f"under {', '.join(titles)} {summed(*kind)}" for kind, titles in kinds.items()]
    return f"Ours are {'; '.join(said)}."


def summed(mean: Mean, spread: Spread) -> str:
    """What a mean, and the spread after it, are taken over."""
    if (mean, spread) == ("cases", "cases"):
        return "means ± standard deviations over test cases, each averaged over its seeds"
    if mean == spread:
        return f"means ± standard deviations over {_ALIKE[mean]}"
    return _MEANS[mean] + (f" ± {_SPREADS[spread]}" if spread in _SPREADS else "")


def _spread_notes(table: Table) -> list[str]:
    """How far a mean moves with another seed or fold."""
    if table.runs_expected == 1:
        return ["One model was trained for each row, so the spread over seeds is not known."]
    lines = []
    for word in ("seed", "fold"):
        ranges = []
        for i, column in enumerate(table.columns):
            summaries = [row.entries[i].summary for row in table.rows]
            found = [getattr(s, f"{word}_sd") for s in summaries if s is not None]
            found = [value for value in found if not isnan(value)]
            if found:
                span = f"{number(min(found))} to {number(max(found))}"
                ranges.append(f"{span} for {table.title_of(column)}")
        if ranges:
            lines.append(
                f"The standard deviation of a mean from {word} to {word} is {', '.join(ranges)}."
            )
    return lines


def _references(table: Table) -> list[str]:
    references = (entry.reference for _, entry in table.compared)
    return list(dict.fromkeys(found.label for found in references if found))


COMPARED = ("Method", "Metric", "Mean difference", "95 % interval", "Patients", "p", "p (Holm)")


def compared_texts(table: Table, row: Row, entry: Entry) -> list[str]:
    """One paired comparison, under the headings of `COMPARED`."""
    found = entry.comparison
    assert found is not None
    named = [table.labels[entry.cell.method]]
    if any(other.label == row.label and other.heading != row.heading for other in table.rows):
        named.append(row.heading)
    if row.names_method or entry.column.variant:
        named[0] = row.label
    elif row.label not in named:
        named.insert(1, row.label)
    heading = ", ".join(filter(None, named))
    interval = f"{number(found.low, signed=True)} to {number(found.high, signed=True)}"
    return [
        heading,
        table.title_of(entry.column),
        number(found.estimate, signed=True),
        DASH if isnan(found.low) else interval,
        str(found.patients),
        p_value(entry.p),
        p_value(entry.p_holm),
    ]


#: The most cells of a row that each show their own count.
_MOST_COUNTS = 4

COUNTS = ("n", "missed", "undefined")


def count_texts(row: Row) -> list[str]:
    """n, missed and undefined; if the cells differ, one number each, or the least and the most."""
    summaries = [entry.summary for entry in row.entries if entry.summary is not None]
    if not summaries:
        return [DASH] * len(COUNTS)
    return [
        _together([s.n for s in summaries]),
        _together([s.missed for s in summaries]),
        _together([s.undefined for s in summaries]),
    ]


def _together(counts: Sequence[int]) -> str:
    if len(set(counts)) == 1:
        return str(counts[0])
    if len(counts) > _MOST_COUNTS:
        return f"{min(counts)} to {max(counts)}"
    return " / ".join(map(str, counts))
