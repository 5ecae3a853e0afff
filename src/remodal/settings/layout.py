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
    variants = (variant for row in table.rows for variant in row.variants.values())
    named = any(part.region for part in (*table.rows, *variants, *table.columns))
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
    """What goes into the cell where a row and a column meet; nothing where there is no such cell.

    Args:
        row: of the table.
        column: of the table.
        regions: the study's; if there is only one, it need not be named.

    Raises:
        ValueError: two of row, column and the row's variant name the same part, or together they do
            not make a cell.
    """
    if column.variant and column.variant not in row.variants:
        return Selection()
    said = _joined(row, column)
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


def _joined(row: RowSettings, column: ColumnSettings) -> dict[str, str]:
    """What a row, its variant and a column say together, by part.

    Raises:
        ValueError: two of them name the same part.
    """
    parts = [row, column, *([row.variants[column.variant]] if column.variant else [])]
    said: dict[str, str] = {}
    for name in _PARTS:
        values = [value for part in parts if (value := getattr(part, name))]
        if len(values) > 1:
            both = " and ".join(f"`{value}`" for value in values)
            raise ValueError(f"both name a {name}, {both}; let one of them do so")
        said[name] = values[0] if values else ""
    return said


def cells_of(table: TableSettings, regions: Collection[str]) -> list[list[Selection]]:
    """All cells of a table, row by row.

    Raises:
        ValueError: with row, column and what is wrong; also if two rows or columns select the same,
            or if a variant has no row or no column.
    """
    columns = columns_of(table, regions)
    _require_variants(table)
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


def _require_variants(table: TableSettings) -> None:
    of_rows = dict.fromkeys(name for row in table.rows for name in row.variants)
    of_columns = dict.fromkeys(column.variant for column in table.columns if column.variant)
    for kind, names, known in (("columns", of_columns, of_rows), ("rows", of_rows, of_columns)):
        if unknown := [name for name in names if name not in known]:
            others = "rows" if kind == "columns" else "columns"
            raise ValueError(
                f"{kind}: no variant `{unknown[0]}` in the {others}, which have "
                f"{', '.join(known) or 'none'}"
            )


def _require_different(kind: str, names: Sequence[str]) -> None:
    if "" in names:
        raise ValueError(f"{kind}: number {names.index('') + 1} selects nothing")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{kind}: two select the same, `{repeated[0]}`")
