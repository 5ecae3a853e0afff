"""The table of true lesions: one CSV for each model and scenario, one row per lesion and region."""

from collections.abc import Iterable, Mapping
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remodal.metrics.cases import FOREIGN, KEYS
from remodal.metrics.lesions import TrueLesion
from remodal.results.files import write_csv
from remodal.results.paths import training_of

if TYPE_CHECKING:
    import pandas as pd

#: Columns; lesions of a case and region are numbered from 1 in the order of their first voxels.
COLUMNS = (*KEYS, FOREIGN, "lesion", "volume_ml", "found", "dice")


def lesion_rows(lesions: Iterable[TrueLesion]) -> list[dict[str, str | int]]:
    """The rows of one case and region, without the columns that name these."""
    return [
        {
            "lesion": number,
            "volume_ml": f"{one.volume:.6f}",
            "found": int(one.found),
            "dice": "" if isnan(one.dice) else f"{one.dice:.6f}",
        }
        for number, one in enumerate(lesions, 1)
    ]


def write_lesions(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table; equal rows give equal bytes.

    Raises:
        EnvironmentProblem: full disk, no permission.
    """
    write_csv(path, COLUMNS, rows)


def read_lesions(metrics: Path) -> "pd.DataFrame":
    """The true lesions of a study in all its predictions.

    Args:
        metrics: the study's folder of `<method>/fold<k>-seed<s>/lesions/<scenario>.csv`.

    Returns:
        One row for each method, fold, seed, scenario and row of a table, with those columns; empty
        if there is no table.
    """
    import pandas as pd

    names = dict.fromkeys((*KEYS, FOREIGN), str)
    tables = []
    for path in sorted(Path(metrics).glob("*/fold*-seed*/lesions/*.csv")):
        training = training_of(path.parents[1])
        if training is None:
            continue
        table = pd.read_csv(path, dtype=names, keep_default_na=False, na_values={"dice": [""]})
        if not table.empty:
            tables.append(table.assign(**training._asdict(), scenario=path.stem))
    if not tables:
        return pd.DataFrame(columns=["method", "fold", "seed", "scenario", *COLUMNS])
    return pd.concat(tables, ignore_index=True)
