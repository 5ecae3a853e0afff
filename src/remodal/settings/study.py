"""All settings of a study, and what one section requires of another."""

from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Any

from pydantic import Field, ValidationError, model_validator

from remodal.results.paths import Training
from remodal.settings.compute import ComputeSettings
from remodal.settings.data import DataSettings
from remodal.settings.evaluation import InferenceSettings, MetricsSettings, TrackingSettings
from remodal.settings.figures import FigureSettings, PredictionSettings, SurfaceSettings
from remodal.settings.layout import cells_of, columns_of
from remodal.settings.merging import merge, problems
from remodal.settings.names import (
    label_name,
    require_known,
    require_modalities,
    require_usable,
)
from remodal.settings.network import NetworkSettings
from remodal.settings.preparation import PreprocessingSettings, RegistrationSettings, SplitSettings
from remodal.settings.recipe import RecipeSettings
from remodal.settings.scenarios import ScenarioSettings, require_segmentable
from remodal.settings.section import Section
from remodal.settings.tables import (
    Cell,
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
    def _shown(self) -> list[str]:
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

    @model_validator(mode="after")
    def _recipes_are_valid(self) -> "Settings":
        for name, method in self.methods.items():
            if method.recipe:
                section = f"methods.{name}.recipe"
                try:
                    self.recipe_of(name)
                except ValidationError as error:
                    raise ValueError(problems(error, section)) from error
            self._require_withheld_unmeasured(name)
        return self

    def _require_withheld_unmeasured(self, method: str) -> None:
        """Preparation is shared by all methods: it must not measure labels that one withholds."""
        measured = {"clip": self.preprocessing.clip.by, "normalise": self.preprocessing.normalise}
        for key, by in measured.items():
            if by == "dataset_foreground" and self.recipe_of(method).labelled is not None:
                raise ValueError(
                    f"preprocessing.{key}: `{by}` would measure the labels that the recipe of "
                    f"`{method}` withholds; choose another"
                )

    @model_validator(mode="after")
    def _unlabelled_cases_are_for_some_method(self) -> "Settings":
        takes = (self.recipe_of(name).takes_unlabelled for name in self.methods)
        if self.data.unlabelled == "train" and not any(takes):
            raise ValueError(
                "data.unlabelled: no method has a pool of unlabelled cases to train on; give one "
                "its recipe.pools, or set it to `quarantine`"
            )
        return self

    @model_validator(mode="after")
    def _native_images_need_no_mask(self) -> "Settings":
        for name, scenario in self.scenarios.items():
            if scenario.space == "native" and self.preprocessing.crop.by == "mask":
                raise ValueError(
                    f"scenarios.{name}.space: `native` has no mask to crop an image by, since "
                    "preprocessing.crop.mask lies on the registered images; crop otherwise, "
                    "or set it to `registered`"
                )
        return self

    @model_validator(mode="after")
    def _foreign_images_are_registered_to_the_case_s_own(self) -> "Settings":
        fixed = self.registration.fixed
        for name, scenario in self.scenarios.items():
            where = f"scenarios.{name}.register_foreign"
            if scenario.register_foreign and fixed not in scenario.own:
                raise ValueError(f"{where}: the fixed image, {fixed}, must be the case's own")
            if scenario.register_foreign and self.preprocessing.crop.by == "mask":
                raise ValueError(f"{where}: preprocessing.crop.mask is not read for such images")
        return self

    @model_validator(mode="after")
    def _names_are_usable(self) -> "Settings":
        named = {
            "data.modalities": self.data.modalities,
            "data.classes": self.data.classes,
            "data.regions": self.data.regions,
            "methods": self.methods,
            "scenarios": self.scenarios,
            "averages": self.averages,
            "scenarios and averages": self._shown,
            "tables": self.tables,
        }
        for where, names in named.items():
            require_usable(where, list(names))
        require_modalities(self.data.modalities)
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        known = set(self.data.modalities)
        require_known("registration.fixed", [self.registration.fixed], self.data.originals)
        require_known("registration.by_modality", self.registration.by_modality, known)
        for name, method in self.methods.items():
            require_known(f"methods.{name}.modalities", method.modalities, known)
            require_known(f"methods.{name}.scenarios", method.scenarios, self.scenarios)
            require_known(f"methods.{name}.inputs", method.inputs.values(), self.methods)
        require_known("compute.first", self.compute.first, self.methods)
        for name, scenario in self.scenarios.items():
            require_segmentable(name, scenario, self.data.modalities, self.data.truth)
        for name, averaged in self.averages.items():
            require_usable(f"averages.{name}", averaged)
            require_known(f"averages.{name}", averaged, self.scenarios)
            if len(averaged) < 2:
                raise ValueError(f"averages.{name}: name two scenarios or more")
        if self.noise is not None:
            require_known("noise.method", [self.noise.method], self.methods)
            known_scenarios = self.scenarios_of(self.noise.method)
            require_known("noise.scenarios", self.noise.scenarios, known_scenarios)
        for name, table in self.tables.items():
            self._require_known_cells(name, table)
            require_known(f"tables.{name}.reference", table.reference, self._shown)
            require_known(f"tables.{name}.reference", table.reference.values(), self.methods)
        for number, shown in enumerate(self.figures.surfaces, 1):
            self._require_known_surfaces(f"figures.surfaces {number}", shown)
        for number, truths in enumerate(self.figures.truths, 1):
            where = f"figures.truths {number}"
            require_known(f"{where}, images", truths.images, known)
            require_known(f"{where}, region", filter(None, [truths.region]), self.data.regions)
        for number, pictures in enumerate(self.figures.predictions, 1):
            self._require_pictured(f"figures.predictions {number}", pictures)
        for number, against in enumerate(self.figures.against, 1):
            self._require_known_claimed(f"figures.against {number}", against.cells)
        for number, claim in enumerate(self.claims, 1):
            self._require_known_claimed(f"claims {number}", [*claim.first, *claim.second])
        return self

    def _require_known_claimed(self, where: str, cells: Iterable[Cell]) -> None:
        for cell in cells:
            require_known(where, [cell.method], self.methods)
            require_known(where, [cell.scenario], self._shown)
            require_known(f"{where}, region", filter(None, [cell.region]), self.data.regions)

    def _require_pictured(self, where: str, pictures: PredictionSettings) -> None:
        require_known(f"{where}, region", filter(None, [pictures.region]), self.data.regions)
        for cell in pictures.cells:
            require_known(where, [cell.method], self.methods)
            require_known(where, [cell.scenario], self.scenarios_of(cell.method))
            scenario = self.scenarios[cell.scenario]
            if scenario.foreign or scenario.space != "registered" or cell.region or cell.group:
                raise ValueError(
                    f"{where}: a picture is of a scenario of registered images of the case itself, "
                    f"and of the figure's region, not of a group; `{cell.scenario}` of "
                    f"{cell.method} is not"
                )

    def _require_known_surfaces(self, where: str, shown: SurfaceSettings) -> None:
        require_known(f"{where}, table", [shown.table], self.tables)
        measured = {
            cell.scenario
            for row in self.cells_of(self.tables[shown.table])
            for cell in row
            if cell.scenario in self.scenarios and cell.metric
        }
        if shown.scenario or len(measured) != 1:
            require_known(f"{where}, scenario", [shown.scenario], sorted(measured))
        require_known(f"{where}, region", filter(None, [shown.region]), self.data.regions)

    def _require_known_cells(self, name: str, table: TableSettings) -> None:
        try:
            cells = self.cells_of(table)
        except ValueError as error:
            raise ValueError(f"tables.{name}: {error}") from None
        for cell in chain.from_iterable(cells):
            where = f"tables.{name}, `{cell.name}`"
            if cell.method:
                require_known(where, [cell.method], self.methods)
            if cell.scenario:
                known = self.shown_of(cell.method) if cell.method else self._shown
                require_known(where, [cell.scenario], known)
            if cell.minus:
                require_known(f"{where}, minus", [cell.minus], self.shown_of(cell.method))
            if cell.region:
                require_known(where, [cell.region], self.data.regions)
            if modality := cell.modality:
                require_known(where, [modality], self.data.modalities)
