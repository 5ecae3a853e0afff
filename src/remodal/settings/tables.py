"""A study's methods, tables and claims."""

from itertools import accumulate
from typing import Any, Literal

from pydantic import Field, model_validator

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


_NAME = r"^[A-Za-z0-9_.-]*$"


class Selection(Section):
    """What stands in a cell: a row and a column each say a part of it."""

    method: str = Field("", description="Key of `methods`.")
    scenario: str = Field("", description="Key of `scenarios` or of `averages`.")
    region: str = Field("", description="Key of `data.regions`; empty: the only one, or each.")
    group: str = Field("", description="Group of the cases, such as a lesion type; empty: all.")
    metric: str = Field("", pattern=_NAME, description="Name of a metric.")
    record: str = Field(
        "",
        pattern=_NAME,
        description="In place of a metric: `parameters`, `hours`, `labelled` or `unlabelled` "
        "(cases) of the trained model, `option.<name>` of the method, or `present.<modality>` "
        "of the scenario.",
    )

    minus: str = Field(
        "",
        description="Scenario whose value is taken off, case by case: what it costs to be in that "
        "one, such as with another patient's image.",
    )
    minus_method: str = Field(
        "",
        description="Method whose value is taken off, case by case: what this one gains over it. "
        "It is that in the scenario `minus` or, without one, in the cell's own.",
    )

    @property
    def taken_off(self) -> str:
        """What is taken off, in one word; empty for nothing."""
        return ".".join(filter(None, [self.minus_method, self.minus]))

    @property
    def name(self) -> str:
        """What is selected, in one word, for use in file names and keys."""
        said = [self.method, self.scenario, self.region, self.group, self.metric, self.record]
        said += [f"minus-{self.taken_off}"] if self.taken_off else []
        return ".".join(part.replace("/", "-") for part in said if part)

    @property
    def modality(self) -> str:
        """The modality whose presence is shown; empty for anything else."""
        kind, _, name = self.record.partition(".")
        return name if kind == "present" else ""


class RowSettings(Selection):
    """One row of a table: what its cells share, and what differs from variant to variant."""

    label: str = Field("", description="Its name; empty: the method's, or else what it selects.")
    heading: str = Field(
        "",
        description="Heading above the row and those that follow it, such as `Arterial phase`; "
        "empty: that of the row above.",
    )
    variants: dict[str, Selection] = Field(
        default_factory=dict,
        description="What the row selects in the columns of a `variant`, such as `{specialised_t1: "
        "{method: one_t1, scenario: t1}}`. In the columns of a variant that is not named here, its "
        "cells are empty. Such a row needs a `label`.",
    )
    reference: bool = Field(
        False, description="Whether the other rows are compared with this one, column by column."
    )

    @model_validator(mode="after")
    def _variants_have_a_label(self) -> "RowSettings":
        if self.variants and not self.label:
            raise ValueError("`variants` select several things; give the row a `label`")
        return self

    @property
    def name(self) -> str:
        """What is selected, in one word; of several variants each different part once."""
        said = super().name
        for part in Selection.model_fields:
            values = dict.fromkeys(getattr(variant, part) for variant in self.variants.values())
            together = "-".join(value.replace("/", "-") for value in values if value)
            said = ".".join(filter(None, [said, together]))
        return said


Mean = Literal["cases", "folds", "pairs"]
Spread = Literal["cases", "folds", "seeds", "pairs", "none"]


class ColumnSettings(Selection):
    """One column of a table: what its cells share, and how they are summed up."""

    title: str = Field("", description="Its name; empty: what it selects.")
    heading: str = Field("", description="Heading above the column, and above its neighbours.")
    variant: str = Field(
        "", pattern=_NAME, description="Which of a row's `variants` stands in this column."
    )
    mean: Mean | None = Field(None, description="As the table's, where it differs.")
    spread: Spread | None = Field(None, description="As the table's, where it differs.")
    ticked: list[Any] = Field(
        default_factory=list,
        description="Values of a record that are shown as a tick; the others are left empty.",
    )
    published: bool = Field(
        True, description="Whether a number that the paper prints for its cells stands beside ours."
    )

    @property
    def name(self) -> str:
        """What is selected and, if the column says so, what is ticked or averaged over."""
        over = {"folds": "fold_mean", "pairs": "pair_mean"}.get(self.mean or "", "")
        ticked = "-".join(str(value).replace("/", "-") for value in self.ticked)
        return ".".join(filter(None, [self.variant, super().name, ticked, over]))


class TableSettings(Section):
    """One table of the paper.

    In place of `columns`, `metrics: [dice, ...]` names columns that select a metric alone.
    """

    title: str = Field(description="The paper's caption, in own words.")
    rows: list[RowSettings] = Field(min_length=1, description="Rows in the paper's order.")
    columns: list[ColumnSettings] = Field(
        min_length=1, description="Columns in the paper's order; `metrics: [dice, ...]` for short."
    )
    mean: Mean = Field(
        "cases",
        description="Mean over all cases, of the folds' means (each counts alike), or over all "
        "`pairs` of a case and another patient's image, where a scenario has `foreign` images.",
    )
    spread: Spread = Field(
        "cases", description="What the standard deviation beside a mean is over; `none`: no spread."
    )
    reference: dict[str, str] = Field(
        default_factory=dict,
        description="For each scenario, the method that the others are compared with.",
    )

    @property
    def headings(self) -> list[str]:
        """The heading that each row stands under: its own, or the last one above it."""
        return list(accumulate((row.heading for row in self.rows), lambda last, own: own or last))

    @property
    def compares(self) -> bool:
        """Whether rows are compared with a reference."""
        return bool(self.reference) or any(row.reference for row in self.rows)

    @model_validator(mode="after")
    def _one_reference(self) -> "TableSettings":
        rows = [row.label or row.name for row in self.rows if row.reference]
        if len(rows) > 1:
            raise ValueError(f"rows: {' and '.join(rows)} are both the `reference`; choose one")
        if rows and self.reference:
            raise ValueError(f"has `reference`, and {rows[0]} as a reference; leave one of them")
        return self

    @model_validator(mode="before")
    @classmethod
    def _metrics_are_columns(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "metrics" not in content:
            return content
        if "columns" in content:
            raise ValueError("has `metrics` and `columns`; put the metrics into the columns")
        rest = {key: value for key, value in content.items() if key != "metrics"}
        return rest | {"columns": [{"metric": name} for name in content["metrics"]]}


class NoiseSettings(Section):
    """Whose repeated trainings measure the noise floor."""

    method: str = Field(description="Key of `methods`.")
    scenarios: list[str] = Field(
        default_factory=list,
        description="Scenarios that the floor is averaged over; empty: all of the method's.",
    )


class Cell(Section):
    """One method in one scenario, for one region and group of cases or for all."""

    method: str = Field(description="Key of `methods`.")
    scenario: str = Field(description="Key of `scenarios` or of `averages`.")
    region: str = Field("", description="Key of `data.regions`; empty: the mean over all of them.")
    group: str = Field("", description="Group of the cases; empty: all.")


class ClaimSettings(Section):
    """One claim of the paper, or ours, tested on our own numbers."""

    text: str = Field(description="The claim in one sentence.")
    ours: bool = Field(
        False,
        description="Whether it is ours: the paper that the study reproduces does not say it.",
    )
    metric: str = Field("dice", description="The metric it is about.")
    kind: Literal["better", "smaller_gap", "within_noise"] = Field(
        description="`better`: first beats second. `smaller_gap`: the absolute difference of the "
        "first pair of cells is smaller than that of the second pair. `within_noise`: first and "
        "second differ by less than two trainings of one method do (see `noise`)."
    )
    first: list[Cell] = Field(description="One cell, or a pair for `smaller_gap`.")
    second: list[Cell] = Field(description="As `first`.")
