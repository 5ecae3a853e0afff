"""A study's rows: methods, tables and claims."""

from typing import Any, Literal

from pydantic import Field

from remodal.settings.section import Section


class MethodSettings(Section):
    """One trained model of the study: a registered method, its modalities and its options."""

    type: str = Field(description="Name of a module in methods/.")
    label: str = Field("", description="Name in the tables; empty: the key.")
    modalities: list[str] = Field(default_factory=list, description="Inputs; empty: all of them.")
    scenarios: list[str] = Field(
        default_factory=list,
        description="Scenarios it is evaluated in; empty: those with exactly its modalities.",
    )
    inputs: dict[str, str] = Field(
        default_factory=dict, description="Trained models it starts from: role, and method name."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The method's own options.")
    recipe: dict[str, Any] = Field(
        default_factory=dict, description="Keys of `recipe` that are otherwise for this method."
    )


class RowSettings(Section):
    """One row of a table."""

    method: str = Field(description="Key of `methods`.")
    scenario: str = Field(description="Key of `scenarios`.")
    group: str = Field("", description="Heading above the row, such as `Arterial`.")


class TableSettings(Section):
    """One table of the paper."""

    title: str = Field(description="The paper's caption, in own words.")
    metrics: list[str] = Field(description="Columns.")
    rows: list[RowSettings] = Field(min_length=1, description="Rows in the paper's order.")
    reference: dict[str, str] = Field(
        default_factory=dict,
        description="For each scenario, the method that the others are compared with.",
    )


class Cell(Section):
    """One method in one scenario."""

    method: str
    scenario: str


class ClaimSettings(Section):
    """One claim of the paper, tested on our own numbers."""

    text: str = Field(description="The claim in one sentence.")
    metric: str = Field("dice", description="The metric it is about.")
    kind: Literal["better", "smaller_gap"] = Field(
        description="`better`: first beats second. `smaller_gap`: the absolute difference of the "
        "first pair of cells is smaller than that of the second pair."
    )
    first: list[Cell] = Field(description="One cell (`better`) or a pair (`smaller_gap`).")
    second: list[Cell] = Field(description="As `first`.")
