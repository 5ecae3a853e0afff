"""The measured cases of one method in one scenario, from which figures choose what they show."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Measured:
    """A predicted case and its Dice in percent, averaged over the regions."""

    case: str
    group: str
    fold: int
    seed: int
    dice: float

    @property
    def prediction(self) -> tuple[str, int, int]:
        """What identifies the prediction of one method in one scenario."""
        return self.case, self.fold, self.seed


def measured(cases: pd.DataFrame, method: str, scenario: str) -> list[Measured]:
    """A cell's cases with a Dice, by name, each with the first seed that measured it."""
    cell = cases[(cases["method"] == method) & (cases["scenario"] == scenario)]
    of_runs = cell.groupby(["case", "group", "fold", "seed"], as_index=False)["dice"].mean()
    first = of_runs.sort_values(["case", "fold", "seed"]).drop_duplicates("case")
    known = first[first["dice"].notna()]
    return [Measured(*row) for row in known.itertuples(index=False, name=None)]
