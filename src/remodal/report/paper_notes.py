"""What is known about a paper besides its numbers: what each row is, and what it leaves open.

This is in `config/published/<paper>.yaml`, next to the numbers in `<paper>.csv`. The report's
section on what the paper leaves open and docs/reproduction/<paper>.md are both made from it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from remodal.errors import UserError
from remodal.report.published import FOLDER, Key, Published, read_published
from remodal.settings import Settings
from remodal.settings.composition import read_yaml
from remodal.settings.places import shipped_file
from remodal.settings.section import Section


class RowNote(Section):
    """One printed row: what it is, and where that is written."""

    table: str = Field(description="Key of the table in the study.")
    method: str = Field(description="Key of the method in the study.")
    scenario: str = Field(description="Key of the scenario in the study.")
    definition: str = Field(description="What the row is, in own words.")
    source: str = Field(description="Section or equation of the paper, file of a repository.")


class Choice(Section):
    """Something that the paper does not settle, or says otherwise than its repository."""

    option: str = Field("", description="Dotted setting that decides it; empty: a rule.")
    question: str = Field(description="What is open.")
    paper: str = Field(description="What the paper says.")
    here: Any = Field(None, description="Value of the option that the reason is about.")
    reason: str = Field(description="Why so.")
    methods: list[str] = Field(
        default_factory=list, description="The methods that it concerns; empty: all."
    )
    tables: list[str] = Field(
        default_factory=list, description="The tables that it concerns; empty: all."
    )

    def concerns(self, settings: Settings) -> bool:
        """Whether a study has one of its methods and one of its tables."""
        return not (
            (self.methods and settings.methods.keys().isdisjoint(self.methods))
            or (self.tables and settings.tables.keys().isdisjoint(self.tables))
        )

    @model_validator(mode="after")
    def _a_value_belongs_to_an_option(self) -> "Choice":
        if not self.option and self.here is not None:
            raise ValueError(f"`{self.question}` has a value (`here`) but names no `option`")
        return self


class ExactNumber(Section):
    """A printed number that follows without data, and the exact value behind it."""

    method: str = Field(description="Key of the method in the study.")
    metric: str = Field("", description="Name of the metric.")
    record: str = Field("", description="In place of a metric, such as `parameters`.")
    value: float = Field(description="The exact value, in the unit of the column.")
    reason: str = Field(description="How the paper comes from it to the printed number.")

    def concerns(self, key: Key) -> bool:
        """Whether a printed number is this one."""
        named = (self.method, self.metric, self.record)
        return named == (key.method, key.metric, key.record)


class PaperNotes(Section):
    """A paper's rows and what it leaves open, in the file's order."""

    title: str = Field("", description="What the paper is about, in a few words.")
    studies: list[str] = Field(
        default_factory=list,
        description="Studies with its rows; what is said about several is that of the first.",
    )
    rows: list[RowNote] = Field(default_factory=list, description="Its rows.")
    choices: list[Choice] = Field(default_factory=list, description="What it leaves open.")
    truncated: list[str] = Field(
        default_factory=list,
        description="Metrics and records that it cuts off after the printed decimals (9.448849 is "
        "printed as 9.44); all others are rounded.",
    )
    exact: list[ExactNumber] = Field(
        default_factory=list,
        description="Exact values behind printed numbers; needed where a number is neither rounded "
        "nor cut off, and listed on the page about the paper.",
    )


def printed_numbers(paper: str, folder: Path = FOLDER) -> dict[Key, Published]:
    """As `read_published`, with what the notes say about how the numbers are printed.

    Raises:
        UserError: one of the two files is wrong, or an exact number is not among the printed ones.
    """
    notes, numbers = read_notes(paper, folder), read_published(paper, folder)
    for key, number in numbers.items():
        truncated = not {key.metric, key.record}.isdisjoint(notes.truncated)
        numbers[key] = replace(number, truncated=truncated)
        for one in notes.exact:
            if one.concerns(key):
                numbers[key] = replace(number, exact=one.value, derivation=one.reason)
    for one in notes.exact:
        if not any(map(one.concerns, numbers)):
            raise UserError(
                f"`exact`: {one.method} {one.metric or one.record} is not printed",
                where=str(folder / f"{paper}.yaml"),
                expected=f"a number of {paper}.csv",
            )
    return numbers


def read_notes(paper: str, folder: Path = FOLDER) -> PaperNotes:
    """The notes on a paper; empty without a name or a file.

    Raises:
        UserError: not YAML, or a wrong, missing or misspelt key.
    """
    path = shipped_file(folder / f"{paper}.yaml")
    if not paper or not path.is_file():
        return PaperNotes()
    try:
        return PaperNotes.model_validate(read_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise UserError(
            f"`{key}`: {problem['msg'].removeprefix('Value error, ')}",
            where=str(path),
            expected="the keys of remodal.report.paper_notes",
        ) from error
