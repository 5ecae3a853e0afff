"""A table of the report: its columns, its rows, and what stands in a cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan

from remodal.metrics.contrasts import Contrast
from remodal.metrics.registry import Metric
from remodal.metrics.statistics import Summary
from remodal.report.published import Published
from remodal.report.records import Recorded, in_full
from remodal.settings import Selection
from remodal.settings.tables import Mean, Spread

#: What every table of simulated cases says of itself.
SIMULATED = "(simulated data)"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: what it selects, in one word.
        title: its heading.
        heading: above it and its neighbours; may be empty.
        region: the region that it selects, or the only one; empty if the rows select it.
        metric: the metric that it selects; None if the rows select it, or for a record.
        mean: what its means are taken over.
        spread: what their standard deviations are taken over.
        marks: whether its cells are marks, which never have a published number beside them.
        ranked: whether one of its values can be better than another; not so for differences.
        variant: which variant of the rows stands in it; empty if the rows have none.
    """

    name: str
    title: str
    heading: str
    region: str
    metric: Metric | None
    mean: Mean = "cases"
    spread: Spread = "cases"
    marks: bool = False
    ranked: bool = True
    variant: str = ""

    @property
    def direction(self) -> str:
        """Which of its values are better; empty where that differs or does not matter."""
        return self.metric.direction if self.metric and self.ranked else ""


@dataclass(frozen=True)
class Reference:
    """What a cell is compared with, and what a reader knows it by."""

    cell: Selection
    label: str


@dataclass(frozen=True)
class Entry:
    """What stands in one cell.

    Attributes:
        column: its column.
        cell: what it is about.
        metric: of the cell; None for a record.
        summary: ours; None where the method was not run in this scenario, or for a record.
        recorded: ours, for a record; None where no model was trained.
        cases: the test cases that it was measured on.
        runs: number of trained models that were measured.
        published: the paper's number; None where it prints none.
        reference: the cell that it is compared with, which may be itself; None for none.
        best: whether ours is the best among its rivals.
        published_best: whether the paper's is.
        comparison: itself minus the reference; None for the reference itself.
        p: two-sided signed-rank test of the patients' differences.
        p_holm: the same corrected over all comparisons of the table.
        noise_floor: differences of this metric below it are noise; NaN where it is not measured.
    """

    column: Column
    cell: Selection
    metric: Metric | None
    summary: Summary | None
    recorded: Recorded | None
    cases: frozenset[str]
    runs: int
    published: Published | None
    reference: Reference | None = None
    best: bool = False
    published_best: bool = False
    comparison: Contrast | None = None
    p: float = nan
    p_holm: float = nan
    noise_floor: float = nan

    @property
    def difference(self) -> float:
        """What the cell says about a difference: its own value, or that to its reference."""
        if self.cell.taken_off:
            return self.mean
        return nan if self.comparison is None else self.comparison.estimate

    @property
    def is_noise(self) -> bool:
        """Whether that difference is below the noise floor."""
        return abs(self.difference) < self.noise_floor

    @property
    def status(self) -> str:
        """`ok`, `undefined` (no case has a value), `no case` (of a group) or `not run`.

        Empty where the table has no such cell.
        """
        if self.is_empty:
            return ""
        if self.summary is None and self.recorded is None:
            return "no case" if self.cell.group and self.runs and not self.cases else "not run"
        return "undefined" if self.summary is not None and isnan(self.mean) else "ok"

    @property
    def is_empty(self) -> bool:
        """Whether the table has no such cell: its row has nothing in this column's variant."""
        return self.cell == Selection()

    @property
    def mean(self) -> float:
        """Our value, as the column sums it up; NaN if there is none, or only a word."""
        if self.recorded is not None:
            return self.recorded.value
        if self.summary is None:
            return nan
        means = {"folds": self.summary.fold_mean, "pairs": self.summary.pair_mean}
        return means.get(self.column.mean, self.summary.mean)

    @property
    def sd(self) -> float:
        """The standard deviation that is shown beside the mean; NaN for none."""
        if self.summary is None:
            return nan
        spreads = {
            "cases": self.summary.sd,
            "folds": self.summary.fold_sd,
            "seeds": self.summary.seed_sd,
            "pairs": self.summary.pair_sd,
        }
        return spreads.get(self.column.spread, nan)

    @property
    def in_full(self) -> str:
        """Our count with all its digits; empty for what is no count, or is not there."""
        return "" if isnan(self.mean) else in_full(self.cell.record, self.mean)

    @property
    def is_exact(self) -> bool:
        """Whether our count is what the paper prints, to every digit printed."""
        return bool(self.in_full) and self.published is not None and self.published.says(self.mean)

    @property
    def is_reference(self) -> bool:
        """Whether other entries are compared with this one."""
        return self.reference is not None and self.cell == self.reference.cell


@dataclass(frozen=True)
class Row:
    """One row: what it is called, the heading above it, and its cells."""

    name: str
    label: str
    heading: str
    entries: tuple[Entry, ...]
    #: Whether the row selects a method, so that its label names one.
    names_method: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with this row."""
        measured = [entry for entry in self.entries if entry.metric]
        return bool(measured) and all(entry.is_reference for entry in measured)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: key of the settings.
        title: the paper's caption.
        effort: preset, epochs and seeds, in words.
        corner: what the rows are, such as `Method`.
        columns: in order.
        rows: in order.
        runs_expected: models that should stand behind each cell.
        simulated: whether our values are of simulated data and cannot be compared with published
            ones.
        left_out: for each of its scenarios, the test cases that lack an image, with what they lack.
        labels: names of the methods.
        noise: the noise floor and what it rests on, in a sentence; empty where it does not matter.
        label_use: what labels of test cases were used for besides measuring, in sentences.
    """

    name: str
    title: str
    effort: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    runs_expected: int
    simulated: bool
    left_out: Mapping[str, Mapping[str, list[str]]]
    labels: Mapping[str, str]
    noise: str = ""
    label_use: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """What every exported copy of the table says about itself."""
        title = f"{self.title} {SIMULATED}" if self.simulated else self.title
        return " ".join(filter(None, [f"{title}.", self.effort, self.noise]))

    @property
    def heading(self) -> str:
        """The caption's first words: what stands above the table, and in the list of contents."""
        return self.title.split(".")[0]

    @property
    def entries(self) -> list[tuple[Row, Entry]]:
        """All cells, row by row, each with its row."""
        return [(row, entry) for row in self.rows for entry in row.entries]

    @property
    def reproducibility(self) -> dict[str, list[str]]:
        """Classes of the published numbers (A, B or C), each with its columns' titles."""
        found: dict[str, dict[str, None]] = {}
        for _, entry in self.entries:
            if entry.published:
                titles = found.setdefault(entry.published.reproducibility, {})
                titles[entry.column.title] = None
        return {kind: list(titles) for kind, titles in sorted(found.items())}

    @property
    def has_published(self) -> bool:
        """Whether the paper prints any number of this table."""
        return any(self.prints(column) for column in self.columns)

    @property
    def has_best(self) -> bool:
        """Whether any value is marked as the best among its rivals."""
        return any(entry.best or entry.published_best for _, entry in self.entries)

    def prints(self, column: Column) -> bool:
        """Whether the paper prints any number of a column."""
        return any(e.published for _, e in self.entries if e.column == column)

    def title_of(self, column: Column) -> str:
        """A column's title, after its heading if another column has the same title."""
        same = sum(other.title == column.title for other in self.columns)
        return f"{column.heading}: {column.title}" if same > 1 and column.heading else column.title

    def parts(self, column: Column) -> list[str]:
        """Headings under a column; no difference if ours cannot be compared with the paper's."""
        if column.marks:
            return [""]
        published = self.prints(column)
        tested = bool(self.compared) and any(
            e.metric for _, e in self.entries if e.column == column
        )
        return [
            *(["published"] if published else []),
            "ours",
            *(["difference"] if published and not self.simulated else []),
            *(["p"] if tested else []),
        ]

    def difference(self, entry: Entry) -> float:
        """Ours minus published; NaN where either is missing, a bound, or not to be compared."""
        if self.simulated or entry.published is None or entry.published.below:
            return nan
        if entry.is_exact:
            return 0.0
        return entry.mean - entry.published.mean

    @property
    def compared(self) -> list[tuple[Row, Entry]]:
        """Rows and entries that have a paired comparison."""
        return [(row, entry) for row, entry in self.entries if entry.comparison is not None]
