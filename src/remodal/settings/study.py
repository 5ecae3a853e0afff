"""All settings of a study, and what follows from them."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Any

from pydantic import Field, model_validator

from remodal.results.paths import Training
from remodal.settings.compute import ComputeSettings
from remodal.settings.consistency import require_consistent
from remodal.settings.data import DataSettings
from remodal.settings.evaluation import InferenceSettings, MetricsSettings, TrackingSettings
from remodal.settings.figures import FigureSettings
from remodal.settings.layout import cells_of, columns_of
from remodal.settings.merging import merge
from remodal.settings.names import label_name
from remodal.settings.network import NetworkSettings
from remodal.settings.plan_file import with_planned_spacing
from remodal.settings.preparation import PreprocessingSettings, RegistrationSettings, SplitSettings
from remodal.settings.recipe import RecipeSettings
from remodal.settings.scenarios import ScenarioSettings
from remodal.settings.section import Section
from remodal.settings.tables import (
    ClaimSettings,
    ColumnSettings,
    MethodSettings,
    NoiseSettings,
    Selection,
    TableSettings,
)


class Settings(Section):
    """Everything that determines a study's results."""

    study: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="Name of the study.")
    preset: str = Field(description="How much work: smoke, demo, trend, paper.")
    title: str = Field(description="Title of the report.")
    citation: str = Field("", description="The paper that is reproduced.")
    published: str = Field("", description="The paper: its files in config/published.")
    strict: bool = Field(
        False,
        description="Stop at the first bad case, or fault of ours in one, instead of going on.",
    )
    seeds: list[int] = Field([0], min_length=1, description="Training seeds.")
    data: DataSettings
    simulation: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of the simulated data sets, each under its name; the sections below.",
    )
    registration: RegistrationSettings
    preprocessing: PreprocessingSettings = Field(default_factory=PreprocessingSettings)
    splits: SplitSettings = Field(default_factory=SplitSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    recipe: RecipeSettings = Field(default_factory=RecipeSettings)
    compute: ComputeSettings = Field(default_factory=ComputeSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    methods: dict[str, MethodSettings] = Field(min_length=1)
    scenarios: dict[str, ScenarioSettings] = Field(min_length=1)
    averages: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Means over scenarios, case by case: a name, which tables and claims may use "
        "as a scenario's, and the scenarios.",
    )
    tables: dict[str, TableSettings] = Field(default_factory=dict)
    claims: list[ClaimSettings] = Field(default_factory=list)
    noise: NoiseSettings | None = Field(
        None,
        description="Method whose repeated trainings (`seeds`) measure the noise floor. Tables "
        "mark differences below it; empty: they mark none.",
    )
    figures: FigureSettings = Field(default_factory=FigureSettings)

    @property
    def study_id(self) -> str:
        """Name of the study's folder: presets never overwrite each other."""
        return f"{self.study}-{self.preset}"

    @property
    def data_id(self) -> str:
        """Name of the data set's folder: simulated data differ from preset to preset."""
        return f"{self.data.name}-{self.preset}" if self.data.simulated else self.data.name

    @property
    def without_copies(self) -> "Settings":
        """The same study of the images that its data set has itself."""
        data = self.data.model_copy(update={"modalities": self.data.originals, "copies": {}})
        return self.model_copy(update={"data": data})

    @property
    def labels(self) -> list[str]:
        """The images that a registered case may have labels of: see `truth_of`."""
        return list(dict.fromkeys(map(self.truth_of, self.data.modalities)))

    def truth_of(self, modality: str) -> str:
        """The image whose label is a registered image's truth.

        This is the image itself or, if the images of a case share one truth, the fixed image, on
        whose grid they are. A case that lacks that image has its label under the same name.
        """
        return modality if self.data.truth == "image" else self.registration.fixed

    def truths_among(self, drawn_on: Iterable[str], present: Iterable[str]) -> list[str]:
        """Which of a case's labels, named by the images they were drawn on, are truths."""
        if self.data.truth != "fixed":
            return list(drawn_on)
        reference = self.registration.reference(present)
        return [name for name in drawn_on if name == reference]

    def label_file(self, modality: str) -> str:
        """Name of the file of an image's truth among those of its registered case."""
        return f"{label_name(self.truth_of(modality))}.nii.gz"

    def title_of(self, method: str) -> str:
        """What a reader knows a method by: its label, or else its key."""
        return self.methods[method].label or method

    def title_apart(self, method: str) -> str:
        """The same, with the modalities that it takes where only they tell it from another one."""
        title, taken = self.title_of(method), self.modalities_of(method)
        others = [name for name in self.methods if name != method and self.title_of(name) == title]
        if not others or taken == self.data.modalities:
            return title
        return f"{title} ({', '.join(taken)})"

    def heading_of(self, name: str) -> str:
        """A key of the settings (a modality, scenario, region) as a reader's heading.

        A key of two letters is short for something, and so is a word that begins with a letter and
        a digit: `a1_with_b2c` is A1 with B2c. Capitals stay, and words of another spelling are in
        `data.spellings`.
        """
        if len(name) <= 2:
            return name.upper()
        first, *others = [self.data.spellings.get(word, word) for word in name.split("_")]
        words = [first[:1].upper() + first[1:], *others]
        return re.sub(r"\b[a-z]\d", lambda start: start[0].upper(), " ".join(words))

    def modalities_of(self, method: str) -> list[str]:
        """The modalities that a method takes; a training case must have all of them."""
        return self.methods[method].modalities or self.data.modalities

    def recipe_of(self, method: str) -> RecipeSettings:
        """How a method is trained: the study's recipe, and the method's own on top of it."""
        own = self.methods[method].recipe
        return RecipeSettings.model_validate(merge(self.recipe.model_dump(), own))

    def labels_of(self, method: str) -> list[str]:
        """The images whose labels a method is trained with."""
        return list(dict.fromkeys(map(self.truth_of, self.modalities_of(method))))

    def scenarios_of(self, method: str) -> list[str]:
        """The scenarios that a method is evaluated in."""
        own = set(self.modalities_of(method))
        return self.methods[method].scenarios or [
            name for name, chosen in self.scenarios.items() if set(chosen.present) == own
        ]

    @property
    def shown(self) -> list[str]:
        """What tables and claims may show: the scenarios, and the averages over some of them."""
        return [*self.scenarios, *self.averages]

    def shown_of(self, method: str) -> list[str]:
        """What tables and claims may show of a method: its scenarios, and averages over these."""
        tested = self.scenarios_of(method)
        whole = [name for name, parts in self.averages.items() if set(parts) <= set(tested)]
        return [*tested, *whole]

    def target_of(self, scenario: str) -> str:
        """The image that is segmented; empty where the images of a case share one truth."""
        chosen = self.scenarios[scenario]
        return (chosen.target or chosen.own[0]) if self.data.truth == "image" else ""

    @property
    def repeated(self) -> list[tuple[str, str]]:
        """Method and scenario of the cells that the noise floor is measured on; may be empty."""
        if self.noise is None:
            return []
        method = self.noise.method
        return [(method, name) for name in self.noise.scenarios or self.scenarios_of(method)]

    def trainings(self, method: str | None = None) -> Iterator[Training]:
        """All trainings of the study, or of one of its methods, in the settings' order."""
        methods = self.methods if method is None else [method]
        for key in product(methods, range(self.splits.fold_count), self.seeds):
            yield Training(*key)

    def columns_of(self, table: TableSettings) -> list[ColumnSettings]:
        """A table's columns; if it names no region, metric columns are repeated for each region."""
        return columns_of(table, self.data.regions)

    def cells_of(self, table: TableSettings) -> list[list[Selection]]:
        """A table's cells, row by row, under `columns_of`."""
        return cells_of(table, self.data.regions)

    def references_of(self, table: TableSettings) -> list[tuple[str, str]]:
        """Scenario and method of the cells of a table that others are compared with."""
        chosen = zip(table.rows, self.cells_of(table))
        of_rows = [cell for row, cells in chosen if row.reference for cell in cells if cell.metric]
        named = [*table.reference.items(), *((cell.scenario, cell.method) for cell in of_rows)]
        return list(dict.fromkeys(named))

    def cells(self) -> list[Selection]:
        """The cells of all tables that show a metric of a method in a scenario, each once."""
        shown = (cell for table in self.tables.values() for cell in chain(*self.cells_of(table)))
        return list(dict.fromkeys(cell for cell in shown if cell.metric))

    @model_validator(mode="before")
    @classmethod
    def _a_plan_says_the_spacing(cls, content: Any) -> Any:
        return with_planned_spacing(content)

    @model_validator(mode="after")
    def _spacing_is_planned_with_the_network(self) -> "Settings":
        if self.preprocessing.spacing == "plan" and not self.network.unplanned:
            raise ValueError("preprocessing.spacing: `plan` goes with `network: auto`")
        return self

    @model_validator(mode="after")
    def _is_consistent(self) -> "Settings":
        require_consistent(self)
        return self
