"""A comparison's interval as a small drawing."""

from math import isnan

from markupsafe import Markup

from remodal.report.cells import Entry, Table


def interval_drawing(table: Table, entry: Entry) -> Markup:
    """A comparison's interval as a small drawing; right of the middle, the method is better.

    All comparisons in a column share one scale. A signed error is compared by its size, so that
    smaller is better there too.
    """
    found = entry.comparison
    if found is None or isnan(found.low):
        return Markup("")
    column = [e.comparison for _, e in table.compared if e.column == entry.column]
    ends = [abs(end) for c in column if c and not isnan(c.low) for end in (c.low, c.high)]
    scale = 84 / max([*ends, 1e-9])
    if entry.column.direction != "higher":
        scale = -scale
    low, mean, high = (88 + scale * v for v in (found.low, found.estimate, found.high))
    return Markup(
        '<svg viewBox="0 0 176 16" aria-hidden="true">'
        '<line x1="88" x2="88" y1="0" y2="16" stroke="var(--muted)"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="8" y2="8" stroke="var(--accent)" '
        'stroke-width="2"/>'
        f'<circle cx="{mean:.1f}" cy="8" r="3.4" fill="var(--accent)"/></svg>'
    )
