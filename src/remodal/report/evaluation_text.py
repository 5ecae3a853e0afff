"""What the methods paragraph says of the evaluation: measures, what is averaged, empty masks."""

from collections.abc import Collection

from remodal.metrics.empty_masks import CONVENTIONS
from remodal.metrics.registry import LARGEST, require_metric
from remodal.report.training_text import listed
from remodal.report.wording import summed
from remodal.settings import Settings

#: Measures that are 0 for an empty prediction, with their names.
_ZERO = {"dice": "Dice", "jaccard": "Jaccard"}

#: Units of distances, which an empty mask has none of.
_LENGTHS = {"voxel", "mm"}


def evaluation_sentence(settings: Settings) -> str:
    """The measures of the study's tables, how they are summed up, and what an empty mask counts."""
    names = list(dict.fromkeys(cell.metric for cell in settings.cells())) or ["dice"]
    titles = listed([require_metric(name).title for name in names])
    return (
        f"Reported are {titles}, {_sums(settings)}, with the number of missed and undefined cases"
        f"{_of_empty_masks(names)}."
    )


def _sums(settings: Settings) -> str:
    """What means and spreads are taken over, in any of the tables."""
    kinds = {
        summed(column.mean or table.mean, column.spread or table.spread)
        for table in settings.tables.values()
        for row in settings.cells_of(table)
        for column, cell in zip(settings.columns_of(table), row)
        if cell.metric
    }
    kinds = kinds or {summed("cases", "cases")}
    return " or ".join(sorted(kinds)) + (" (each table says which)" if len(kinds) > 1 else "")


def _of_empty_masks(names: Collection[str]) -> str:
    """What an empty prediction counts, apart from the measures whose titles say it themselves."""
    plain = [name for name in names if name.rpartition("_")[2] not in CONVENTIONS]
    overlaps = {name.removesuffix(LARGEST) for name in plain}
    counts = [f"{title} 0" for name, title in _ZERO.items() if name in overlaps]
    if any(require_metric(name).unit in _LENGTHS for name in plain):
        counts.append("no surface distance")
    if not counts:
        return ""
    otherwise = ", unless a measure's name says otherwise" if len(plain) < len(names) else ""
    return f"; an empty prediction has {listed(counts)}{otherwise}"
