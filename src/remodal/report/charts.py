"""Charts as SVG that takes its colours and fonts from the page (light, dark and print).

Matplotlib draws with four placeholder colours, which are replaced by CSS variables; text stays
text. The same numbers give the same bytes.
"""

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

INK, ACCENT, MUTED, RULE = "#010101", "#020202", "#030303", "#040404"
_CSS = {INK: "currentColor", ACCENT: "var(--accent)", MUTED: "var(--muted)", RULE: "var(--rule)"}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "remodal",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelcolor": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
_WIDTH = 8.6
_MOST_COLUMNS = 4
_MARKERS = "os^Dv<>pPX"


@dataclass(frozen=True)
class Box:
    """One line of a box plot: the values of its cases, and whether it is the reference method."""

    label: str
    values: Sequence[float]
    highlighted: bool = False


@dataclass(frozen=True)
class Curve:
    """One line of a chart over epochs; NaN where nothing was measured."""

    epochs: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class Line:
    """One method's values over whole numbers, and whether it is the reference method."""

    label: str
    numbers: Sequence[int]
    values: Sequence[float]
    highlighted: bool = False


@dataclass(frozen=True)
class Points:
    """Points of one panel, and their rank correlation (NaN: too few)."""

    across: Sequence[float]
    up: Sequence[float]
    rho: float


def box_plots(panels: Mapping[str, Sequence[Box]], axis: str, *, logarithmic: bool = False) -> str:
    """Box plots with all points, panels below each other on a common axis.

    Args:
        panels: for each heading its boxes, from top to bottom.
        axis: label of the value axis.
        logarithmic: whether that axis is; all values are positive then.
    """
    heights = [len(boxes) + 0.9 for boxes in panels.values()]

    def fill(figure: Figure) -> None:
        grid = figure.subplots(
            len(panels), 1, sharex=True, squeeze=False, height_ratios=heights
        ).ravel()
        for axes, (heading, boxes) in zip(grid, panels.items(), strict=True):
            _boxes(axes, boxes)
            axes.set_title(heading)
        grid[-1].set_xlabel(axis)
        if logarithmic:
            grid[-1].set_xscale("log")
            grid[-1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            grid[-1].xaxis.set_major_formatter("{x:g}")
            grid[-1].xaxis.set_minor_formatter(NullFormatter())

    return _svg(fill, 0.32 * sum(heights) + 0.45)


def _boxes(axes: Axes, boxes: Sequence[Box]) -> None:
    generator = np.random.default_rng(0)  # only spreads the points; the same in every run
    axes.grid(axis="x")
    for position, box in enumerate(boxes):
        colour = ACCENT if box.highlighted else MUTED
        values = np.asarray(box.values, float)
        spread = generator.uniform(-0.17, 0.17, len(values))
        axes.scatter(values, position + spread, s=9, color=colour, alpha=0.45, linewidths=0)
        if len(values):
            line = {"color": INK if not box.highlighted else ACCENT, "linewidth": 1.1}
            axes.boxplot(
                values,
                positions=[position],
                orientation="horizontal",
                widths=0.56,
                showfliers=False,
                boxprops=line,
                whiskerprops=line,
                capprops=line,
                medianprops=line | {"linewidth": 2.2},
            )
        else:
            axes.annotate(
                "no defined value",
                (0.01, position),
                xycoords=("axes fraction", "data"),
                va="center",
                color=MUTED,
                style="italic",
            )
    axes.set_yticks(range(len(boxes)), [box.label for box in boxes])
    axes.set_ylim(len(boxes) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0)


def training_curves(
    panels: Mapping[str, Sequence[Curve]], axis: str, comparable: bool = True
) -> str:
    """One panel per method, its runs in the accent colour over those of all others in grey.

    Args:
        panels: for each method its curves.
        axis: label of the value axis.
        comparable: whether the methods' values are of one kind. If not, each panel has an axis of
            its own, without the other methods, that spans the values after the first epoch.
    """
    rows = -(-len(panels) // _MOST_COLUMNS)
    columns = max(-(-len(panels) // rows), 2)
    everything = [curve for curves in panels.values() for curve in curves]

    def fill(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=comparable, squeeze=False)
        for axes in grid.ravel()[len(panels) :]:
            axes.set_axis_off()
        for axes, (heading, curves) in zip(grid.ravel(), panels.items(), strict=False):
            axes.grid(axis="y")
            for curve in everything if comparable else ():
                axes.plot(curve.epochs, curve.values, color=RULE, linewidth=0.8)
            if not comparable and (span := _span(curves)):
                axes.set_ylim(span)
            for curve in curves:
                marker = "o" if np.isfinite(curve.values).sum() < 2 else ""
                axes.plot(
                    curve.epochs, curve.values, color=ACCENT, linewidth=1.5, marker=marker, ms=3
                )
            axes.set_title(heading)
            axes.tick_params(length=0)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for axes in grid[:, 0]:
            axes.set_ylabel(axis)
        figure.supxlabel("Epoch", fontsize=8.5, color=INK)

    return _svg(fill, 1.55 * rows + 0.35)


def _span(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """The range of values after the first epoch, with a margin; None: there are too few."""
    later = np.concatenate([np.asarray(curve.values[1:], float) for curve in curves])
    later = later[np.isfinite(later)]
    if len(later) < 2 or later.min() == later.max():
        return None
    margin = 0.06 * (later.max() - later.min())
    return later.min() - margin, later.max() + margin


def lines(panels: Mapping[str, Sequence[Line]], across: str, up: str) -> str:
    """Panels side by side on a common axis, one line with a marker of its own for each method.

    A line joins neighbouring numbers only: where a method has no value, it is broken.

    Args:
        panels: for each heading its lines, in the same order everywhere.
        across: label of the axis of the numbers.
        up: label of the axis of the values.
    """

    def fill(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False).ravel()
        numbers = sorted({n for drawn in panels.values() for line in drawn for n in line.numbers})
        for axes, (heading, drawn) in zip(grid, panels.items(), strict=True):
            axes.grid(axis="y")
            for line, marker in zip(drawn, cycle(_MARKERS)):
                colour = ACCENT if line.highlighted else INK
                values = dict(zip(line.numbers, line.values, strict=True))
                axes.plot(
                    numbers,
                    [values.get(number, np.nan) for number in numbers],
                    color=colour,
                    marker=marker,
                    markersize=5,
                    markerfacecolor=colour if line.highlighted else "none",
                    linewidth=1.8 if line.highlighted else 0.9,
                    label=line.label,
                )
            axes.set_title(heading)
            axes.set_xlabel(across)
            axes.tick_params(length=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        grid[0].set_ylabel(up)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)

    return _svg(fill, 3.0)


def scatter(panels: Mapping[str, Points], across: str, up: str) -> str:
    """Panels of points on common axes, with the number of points and their rank correlation.

    Args:
        panels: the points under each heading.
        across: label of the horizontal axis.
        up: label of the vertical axis.
    """
    rows = -(-len(panels) // _MOST_COLUMNS)
    columns = max(-(-len(panels) // rows), 2)

    def fill(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.ravel()[len(panels) :]:
            axes.set_axis_off()
        for axes, (heading, points) in zip(grid.ravel(), panels.items(), strict=False):
            axes.grid()
            axes.scatter(points.across, points.up, s=14, color=ACCENT, alpha=0.75, linewidths=0)
            said = f"n = {len(points.across)}"
            if np.isfinite(points.rho):
                said += f", ρ = {points.rho:.2f}".replace("-", "−")
            axes.set_title(f"{heading}\n{said}")
            axes.tick_params(length=0)
        for axes in grid[:, 0]:
            axes.set_ylabel(up)
        figure.supxlabel(across, fontsize=8.5, color=INK)

    return _svg(fill, 2.1 * rows + 0.35)


def histograms(panels: Mapping[str, Sequence[float]], *, counts: bool = False) -> str:
    """One histogram per quantity, side by side.

    Args:
        panels: for each heading its values.
        counts: whether these are whole numbers: each has a bar of its own then.
    """

    def fill(figure: Figure) -> None:
        for axes, (heading, values) in zip(
            figure.subplots(1, len(panels), squeeze=False).ravel(), panels.items(), strict=True
        ):
            finite = np.asarray(values, float)
            finite = finite[np.isfinite(finite)]
            bins = _bins_of_counts(finite) if counts else min(max(5, len(finite) // 4), 24)
            axes.hist(finite, bins=bins, color=ACCENT, alpha=0.85)
            if counts:
                axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            axes.set_title(heading)
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.tick_params(length=0)
            axes.grid(axis="y")
            axes.set_ylabel("Cases" if axes.get_subplotspec().is_first_col() else "")

    return _svg(fill, 1.9)


def _bins_of_counts(values: np.ndarray) -> np.ndarray:
    """Edges of bins around whole numbers, from 0 on."""
    return np.arange(-0.5, (values.max() if len(values) else 0) + 1)


def _svg(fill: Callable[[Figure], None], height: float) -> str:
    """Draw a figure and return an inline `<svg>` whose colours are the page's."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        fill(figure)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue())


def _inline(document: str) -> str:
    """The `<svg>` element alone, scalable, in the page's colours, with ids unique to the chart."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    for placeholder, colour in _CSS.items():
        svg = svg.replace(placeholder, colour)
    svg = _with_own_ids(svg)
    svg = re.sub(r'(<svg [^>]*?) ?width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) ?height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", svg)
    return svg.replace("<svg ", '<svg aria-hidden="true" ', 1)


def _with_own_ids(svg: str) -> str:
    """Number the ids, after a prefix that no other chart has.

    Matplotlib derives some from coordinates that are not rounded, whose last bits depend on where
    the variables of the layout's solver happen to lie in memory.
    """
    numbers = {name: str(number) for number, name in enumerate(re.findall(r' id="([^"]+)', svg))}
    places = re.compile(r'( id="|url\(#|href="#)([^")]+)')
    svg = places.sub(lambda place: place[1] + numbers[place[2]], svg)
    prefix = "c" + hashlib.sha256(svg.encode()).hexdigest()[:8] + "-"
    return places.sub(rf"\g<1>{prefix}\g<2>", svg)
