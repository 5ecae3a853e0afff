"""A table as LaTeX, to be pasted into a paper."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from remodal.report.cells import Column, Row, Table
from remodal.report.noise_marks import MARK
from remodal.report.records import ABSENT, PRESENT, TICK
from remodal.report.wording import (
    COUNTS,
    DASH,
    MINUS,
    count_texts,
    metric_texts,
    notes,
)

_WORDS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    MINUS: r"$-$",
    DASH: "--",
    "<": r"$<$",
    ">": r"$>$",
    TICK: r"\checkmark{}",
    PRESENT: r"$\bullet$",
    ABSENT: r"$\circ$",
    MARK: r"$\approx$",
}
#: LaTeX numbers its tables itself.
_NUMBER = re.compile(r"^Table \w+[.:] ")
#: A table that is too wide for its column or page is made smaller.
_SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_WORDS.get(letter, letter) for letter in text)


def to_latex(table: Table) -> str:
    """A table with its notes below, at most as wide as the text.

    It needs the packages booktabs and graphicx, and amssymb where there are ticks. Published and
    our values stand side by side, without their difference; a count that is the same in all rows is
    given below the table, not in a column.
    """
    names = [_names(table, column) for column in table.columns]
    told, counts = _counts(table)
    widths = [len(under) for under in names]
    spans = [
        f"\\multicolumn{{{width}}}{{c}}{{{latex(column.title)}}}"
        for width, column in zip(widths, table.columns)
    ]
    firsts = [2 + sum(widths[:i]) for i in range(len(widths))]
    rules = [f"\\cmidrule(lr){{{i}-{i + width - 1}}}" for i, width in zip(firsts, widths)]
    below = [*notes(table), *([f"In every row: {', '.join(told)}."] if told else [])]
    rows = list(_rows(table, counts))
    packages = "booktabs,graphicx" + (",amssymb" if "\\checkmark" in "".join(rows) else "")
    lines = [
        f"% Needs \\usepackage{{{packages}}}.",
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{latex(_NUMBER.sub('', table.caption))}}}",
        f"\\label{{tab:{table.name}}}",
        r"\small",
        _SHRINK,
        f"\\begin{{tabular}}{{l{'r' * (sum(widths) + len(counts))}}}",
        r"\toprule",
        *_headings(table, widths),
        " & ".join(["", *spans, *[""] * len(counts)]) + r" \\",
        "".join(rules),
        " & ".join([table.corner, *(name for under in names for name in under), *counts]) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\smallskip",
        r"\parbox{\linewidth}{\footnotesize " + latex(" ".join(below)) + "}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _headings(table: Table, widths: Sequence[int]) -> list[str]:
    """A line of headings above several columns, and its rules; empty if no column has a heading."""
    if not any(column.heading for column in table.columns):
        return []
    spans, rules, first = [""], [], 2
    together = groupby(zip(table.columns, widths), key=lambda pair: pair[0].heading)
    for heading, columns in together:
        width = sum(width for _, width in columns)
        spans.append(f"\\multicolumn{{{width}}}{{c}}{{{latex(heading)}}}")
        rules += [f"\\cmidrule(lr){{{first}-{first + width - 1}}}"] if heading else []
        first += width
    return [" & ".join(spans) + r" \\", "".join(rules)]


def _counts(table: Table) -> tuple[list[str], list[str]]:
    """Counts that are the same in all rows, in words, and the names of the others."""
    told, others = [], []
    for name, *values in zip(COUNTS, *map(count_texts, table.rows)):
        if len(set(values)) == 1:
            told.append(f"{values[0]} {name}" if name != "n" else f"n = {values[0]}")
        else:
            others.append(name)
    return told, others


def _names(table: Table, column: Column) -> list[str]:
    return [part for part in table.parts(column) if part != "difference"]


def _rows(table: Table, counts: list[str]) -> Iterator[str]:
    heading = ""
    width = 1 + sum(len(_names(table, column)) for column in table.columns) + len(counts)
    for row in table.rows:
        if row.heading and row.heading != heading:
            if heading:
                yield r"\addlinespace"
            yield f"\\multicolumn{{{width}}}{{l}}{{\\textit{{{latex(row.heading)}}}}} \\\\"
        heading = row.heading
        yield " & ".join(_cells(table, row, counts)) + r" \\"


def _cells(table: Table, row: Row, counts: list[str]) -> list[str]:
    """The printed cells of one row, escaped before bold is added, so that bold survives."""
    cells = [row.label]
    for entry in row.entries:
        texts = metric_texts(table, entry, bold=lambda text: f"\0{text}")
        cells += [texts[name] for name in _names(table, entry.column)]
    counted = dict(zip(COUNTS, count_texts(row)))
    cells += [counted[name] for name in counts]
    return [
        f"\\textbf{{{latex(cell[1:])}}}" if cell.startswith("\0") else latex(cell) for cell in cells
    ]
