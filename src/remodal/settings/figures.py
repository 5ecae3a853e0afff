"""Pictures of the report that a study may ask for."""

from pydantic import Field

from remodal.settings.section import Section
from remodal.settings.tables import Cell

_NUMBER = (
    "A number of the cases' registration records, such as `label-t1.displacement_mm`: how far the "
    "label of `t1` lies from that of the fixed image"
)


class SurfaceSettings(Section):
    """Surfaces of a case: of the truth, and as each method of a table segments it."""

    table: str = Field(description="Key of `tables`: each of its methods has a picture.")
    scenario: str = Field(
        "", description="Key of `scenarios`; may be empty for a table of only one scenario."
    )
    region: str = Field("", description="Key of `data.regions`; empty: the first.")


class TruthSettings(Section):
    """Images of one case beside each other, each with the outlines of all their truths."""

    title: str = Field("", description="Heading of the figure.")
    images: list[str] = Field(
        min_length=1, description="Modalities; each has a label, or they share one."
    )
    region: str = Field("", description="Key of `data.regions`; empty: the first.")
    most: str = Field(
        "", description=f"{_NUMBER}. The case with the largest is shown; empty: the first case."
    )


class PredictionSettings(Section):
    """One case as several methods segment it, beside the truth of each image that they are given.

    Each cell is shown on the image that is segmented in its scenario.
    """

    title: str = Field("", description="Heading of the figure.")
    cells: list[Cell] = Field(min_length=1, description="Method and scenario of each picture.")
    region: str = Field("", description="Key of `data.regions`; empty: the first.")
    most: str = Field(
        "",
        description=f"{_NUMBER}. The case with the largest is shown; empty: that with the median "
        "Dice, averaged over the cells.",
    )


class AgainstSettings(Section):
    """A metric of each test case against a number of the case, a panel for each cell."""

    number: str = Field(description=f"{_NUMBER}.")
    metric: str = Field("dice", description="Name of a metric.")
    cells: list[Cell] = Field(min_length=1, description="Method and scenario of each panel.")


class FigureSettings(Section):
    """Pictures that only some studies have."""

    numbers: dict[str, str] = Field(
        default_factory=dict,
        description="What the numbers of cases are called in figures, with the unit, by their "
        "keys; others are called by their key.",
    )
    surfaces: list[SurfaceSettings] = Field(
        default_factory=list, description="Surfaces that are shown in 3-D; none by default."
    )
    truths: list[TruthSettings] = Field(
        default_factory=list, description="Images of a case with the outlines of their truths."
    )
    predictions: list[PredictionSettings] = Field(
        default_factory=list, description="Predictions of several methods beside each other."
    )
    against: list[AgainstSettings] = Field(
        default_factory=list, description="A metric against a number of the case."
    )

    def name_of(self, number: str) -> str:
        """What a number of the cases is called."""
        return self.numbers.get(number, number)
