"""A table's cells: what a row and a column select together."""

from collections.abc import Collection, Sequence

from remodal.settings.tables import ColumnSettings, RowSettings, Selection, TableSettings

_PARTS = tuple(Selection.model_fields)


def columns_of(table: TableSettings, regions: Collection[str]) -> list[ColumnSettings]:
    """A table's columns; if it names no region, metric columns are repeated for every region.

    Args:
        table: the settings.
        regions: the study's, in order.
    """
    named = any(part.region for part in (*table.rows, *table.columns))
    if named or len(regions) == 1:
        return list(table.columns)
    metrics = [column for column in table.columns if not column.record]
    if not metrics:
        return list(table.columns)
    first = table.columns.index(metrics[0])
    before = table.columns[:first]
    after = [column for column in table.columns[first:] if column.record]
    each = [
        column.model_copy(update={"region": region}) for region in regions for column in metrics
    ]
    return [*before, *each, *after]


def cell_of(row: RowSettings, column: ColumnSettings, regions: Collection[str]) -> Selection:
    """What goes into the cell where a row and a column meet.

    Args:
        row: of the table.
        column: of the table.
        regions: the study's; if there is only one, it need not be named.

    Raises:
        ValueError: both name the same part, or together they do not make a cell.
    """
    said: dict[str, str] = {}
    for part in _PARTS:
        ours, theirs = getattr(row, part), getattr(column, part)
        if ours and theirs:
            raise ValueError(f"both name a {part}, `{ours}` and `{theirs}`; let one of them do so")
        said[part] = ours or theirs
    if bool(said["metric"]) == bool(said["record"]):
        raise ValueError("name a metric and a record" if said["metric"] else "name no metric")
    if said["record"]:
        needed = "scenario" if Selection(record=said["record"]).modality else "method"
        # A record belongs to a model or a scenario, whatever else the row is about.
        kept = {needed, "record"}
        said = {part: value if part in kept else "" for part, value in said.items()}
        wanted = [needed]
    else:
        said["region"] = said["region"] or (next(iter(regions)) if len(regions) == 1 else "")
        wanted = ["method", "scenario", "region"]
    if lacking := [part for part in wanted if not said[part]]:
        raise ValueError(f"name no {lacking[0]}")
    return Selection(**said)


def cells_of(table: TableSettings, regions: Collection[str]) -> list[list[Selection]]:
    """All cells of a table, row by row.

    Raises:
        ValueError: with row, column and what is wrong; also if two rows or columns select the same.
    """
    columns = columns_of(table, regions)
    for kind, parts in (("rows", table.rows), ("columns", columns)):
        _require_different(kind, [part.name for part in parts])
    found = []
    for row in table.rows:
        cells = []
        for column in columns:
            try:
                cells.append(cell_of(row, column, regions))
            except ValueError as error:
                raise ValueError(f"row `{row.name}` and column `{column.name}` {error}") from None
        found.append(cells)
    return found


def _require_different(kind: str, names: Sequence[str]) -> None:
    if "" in names:
        raise ValueError(f"{kind}: number {names.index('') + 1} selects nothing")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{kind}: two select the same, `{repeated[0]}`")
