"""What the workflow makes of a study: the files of its targets, and what each job is given.

Light (no numpy, torch or ITK), since the Snakefile makes a plan at every start and in every job.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from remodal.intake.datasets import CaseSource, cases_of
from remodal.intake.label_source import LabelSource
from remodal.intake.simulation import Simulation, simulation_of
from remodal.intake.source_index import read_index, source_state
from remodal.results import paths
from remodal.results.paths import Training
from remodal.run.needed import crop_masks, needed_studies, registration_masks
from remodal.settings import MaskSettings, Settings
from remodal.settings.names import label_name
from remodal.settings.places import CONFIG, shipped_file
from remodal.settings.stages import depends_on

#: Formats that a table is written in.
_TABLE_FORMATS = ("csv", "tex", "md")

#: Parts of a fold that an inventory is made of.
_PARTS = ("training", "test")


def plan_of(settings: Settings) -> "Plan":
    """The plan of a study.

    Raises:
        UserError: an unknown data source, something wrong with its cases or their index, or with
            the studies that predict its masks.
    """
    cases = {case.case: case for case in cases_of(settings)}
    index = read_index(settings.data.sheet)
    return Plan(settings, cases, simulation_of(settings), index, needed_studies(settings))


def taking_wildcards(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """The same function for Snakemake: it takes the wildcards that its parameters are named after.

    The plan's functions take a case, modality, method, scenario, fold or seed, and know no
    Snakemake.
    """
    names = list(signature(function).parameters)
    return lambda wildcards: function(*(getattr(wildcards, name) for name in names))


@dataclass(frozen=True)
class Plan:
    """The files of a study, and the sources and options of its jobs.

    Paths are relative to the working directory. Where a `study` folder is asked for, it may hold
    wildcards; a fold and a seed may be texts, as Snakemake's wildcards are.

    Attributes:
        settings: the effective settings.
        cases: where each case comes from, by its name.
        simulation: how the cases are made; None: they are not simulated.
        index: digest of each indexed source.
        needed: settings of the studies that predict its masks, by the names of their folders.
    """

    settings: Settings
    cases: Mapping[str, CaseSource]
    simulation: Simulation | None
    index: Mapping[str, str]
    needed: Mapping[str, Settings]

    @property
    def study(self) -> Path:
        """Folder of the study."""
        return paths.study_folder(self.settings.study_id)

    @property
    def data(self) -> Path:
        """Folder of its data set."""
        return paths.data_folder(self.settings.data_id)

    def settings_files(self) -> list[tuple[Path, Settings]]:
        """Where the stages of this study, and of those that it needs, read their settings."""
        return [
            (paths.settings_file(folder), settings)
            for settings in (self.settings, *self.needed.values())
            for folder in (
                paths.data_folder(settings.data_id),
                paths.study_folder(settings.study_id),
            )
        ]

    # All jobs.

    def depends_on(self, stage: str) -> str:
        """Digest of the settings and code that a stage's result depends on."""
        return depends_on(self.settings, stage)

    @property
    def quarantine_option(self) -> str:
        """Whether a stage sets a bad case aside; otherwise it stops."""
        return "" if self.settings.strict else "--quarantine"

    def gpus(self, count: int) -> int:
        """GPUs of a job that uses `count` devices."""
        return 0 if self.settings.compute.device == "cpu" else count

    # Sources of the cases. They are no inputs, as a clone that has what was made from them does not
    # need them; their state is tracked instead, by content if the sheet has an index. The paths are
    # given as a Path or a LabelSource, which Snakemake does not compare: they may differ between
    # machines.

    def image_source(self, case: str, modality: str) -> Path:
        """What an image is converted from."""
        return self.cases[case].images[modality]

    def label_source(self, case: str, modality: str) -> LabelSource:
        """What the label drawn on an image is converted from."""
        return self.cases[case].labels[modality]

    def label_options(self, case: str, modality: str) -> str:
        """Options that say what is taken from a label's files."""
        return self.label_source(case, modality).options

    def image_state(self, case: str, modality: str) -> str:
        """State of an image's source."""
        return self._state([self.image_source(case, modality)])

    def label_state(self, case: str, modality: str) -> str:
        """State of a label's sources."""
        return self._state(self.label_source(case, modality).files)

    def _state(self, sources: Sequence[Path]) -> str:
        return "simulated" if self.simulation else source_state(sources, self.index)

    # Simulation.

    def fetched(self) -> list[Path]:
        """The folder of files that the simulation starts from, if it needs any."""
        fetches = self.simulation is not None and self.simulation.fetches
        return [self.data / "source"] if fetches else []

    def simulation_depends_on(self) -> str:
        """As `depends_on`, with the module that makes the cases and no other module's options."""
        if self.simulation is None:
            return ""
        part = self.simulation.part
        own = {"simulation": {part: self.settings.simulation.get(part, {})}}
        settings = self.settings.model_copy(update=own)
        return depends_on(settings, "simulate", module=self.simulation.module)

    def simulated_scans(self, case: str) -> list[Path]:
        """The scans that a case is converted from, if they are made here."""
        return [paths.scans_folder(self.data, case)] if self.simulation else []

    # Registration.

    def converted_records(self, case: str) -> list[Path]:
        """Records of a case's converted images and labels."""
        folder = paths.converted_folder(self.data, case)
        return [folder / f"{name}.json" for name in self.cases[case].sources]

    def case_options(self, case: str) -> list[str]:
        """Options that say which images and labels a case has."""
        images = [f"--modality {name}" for name in self.cases[case].images]
        return images + [f"--label {name}" for name in self.cases[case].labels]

    def label_names(self) -> list[str]:
        """Names of the label files that a registered case has."""
        return [label_name(modality) for modality in self.settings.labels]

    def registration_masks(self) -> list[Path]:
        """What holds the masks that cases are registered by, if other studies predict them."""
        return self._predicted(registration_masks(self.settings))

    def _predicted(self, masks: Sequence[MaskSettings]) -> list[Path]:
        """Splits and predictions that masks are taken from.

        All folds', as nobody knows yet which of them tests a case.
        """
        found = []
        for one in masks:
            study = paths.study_folder(one.study)
            found += [paths.splits_file(study)]
            found += [
                paths.prediction_folder(study, Training(one.method, fold, one.seed), one.scenario)
                for fold in range(self.needed[one.study].splits.fold_count)
            ]
        return list(dict.fromkeys(found))

    def registered_images(self, folder: Path) -> list[Path]:
        """The images and labels of a registered case, in its folder."""
        names = [*self.settings.data.modalities, *self.label_names()]
        return [folder / f"{name}.nii.gz" for name in names]

    def registered_folder(self) -> str:
        """Where the registered cases are, a folder for each."""
        return str(paths.registered_cases(self.data))

    def registered_cases(self) -> list[Path]:
        """Records of all registered cases."""
        return [paths.registered_folder(self.data, c) / "registration.json" for c in self.cases]

    # Splits and preparation.

    def shared_split_file(self) -> list[Path]:
        """The split file that is imported, if one is."""
        return [self.settings.splits.file] if self.settings.splits.file else []

    def folds(self) -> range:
        """Numbers of the folds."""
        return range(self.settings.splits.fold_count)

    def crop_masks(self) -> list[Path]:
        """What holds the masks that cases are cropped to, as `registration_masks`."""
        return self._predicted(crop_masks(self.settings))

    def network_plan(self) -> list[Path]:
        """The plan of the networks, if they are planned."""
        return [paths.plan_file(self.study)] if self.settings.network.unplanned else []

    def fingerprints(self) -> list[Path]:
        """Fingerprints that preparation needs: none if it is the same in every fold."""
        used = self.settings.preprocessing.depends_on_fold
        return [paths.fingerprint_file(self.study, fold) for fold in self.folds() if used]

    def fingerprint_options(self) -> list[str]:
        """The same as options."""
        return [f"--fingerprint {file}" for file in self.fingerprints()]

    def preprocessed_folder(self, fold: int | str) -> str:
        """Where a fold's preprocessed cases are."""
        return str(self._preprocessed_folder(self.study, fold))

    def _preprocessed_folder(self, study: Path, fold: int | str) -> Path:
        return paths.preprocessed_folder(study, self.settings.preprocessing.folder_of(fold))

    def _preprocessed_folders(self, study: Path) -> list[Path]:
        """One for each fold, or one for all of them."""
        return list(dict.fromkeys(self._preprocessed_folder(study, f) for f in self.folds()))

    def preprocessed_files(self, study: Path, case: str) -> list[Path]:
        """All files of a preprocessed case, in the folders of a study."""
        ends = [".npy", *(f".{name}.npy" for name in self.label_names()), ".json"]
        folders = self._preprocessed_folders(study)
        return [folder / f"{case}{end}" for folder in folders for end in ends]

    def preprocessed_cases(self) -> list[Path]:
        """Records of all preprocessed cases, in all folders."""
        folders = self._preprocessed_folders(self.study)
        return [folder / f"{case}.json" for folder in folders for case in self.cases]

    def preprocessed_cases_of(self, fold: int | str) -> list[Path]:
        """Records of a fold's preprocessed cases."""
        folder = self._preprocessed_folder(self.study, fold)
        return [folder / f"{case}.json" for case in self.cases]

    def inventories(self) -> list[Path]:
        """What each fold's trainings and tests read."""
        return [
            paths.inventory_file(self.study, fold, part) for fold in self.folds() for part in _PARTS
        ]

    # Trainings, and what their models predict.

    def input_weights(self, method: str, fold: int | str, seed: int | str) -> list[Path]:
        """Weights of the models that a training is given: of the same fold and seed."""
        folders = self._input_models(method, fold, seed).values()
        return [folder / "model.safetensors" for folder in folders]

    def input_options(self, method: str, fold: int | str, seed: int | str) -> list[str]:
        """The same as options, by role."""
        models = self._input_models(method, fold, seed)
        return [f"--input {role}={folder}" for role, folder in models.items()]

    def _input_models(self, method: str, fold: int | str, seed: int | str) -> dict[str, Path]:
        return {
            role: paths.model_folder(self.study, Training(name, fold, seed))
            for role, name in self.settings.methods[method].inputs.items()
        }

    def training_depends_on(self, method: str) -> str:
        """As `depends_on`, with the method."""
        return depends_on(self.settings, "train", method)

    def inference_depends_on(self, scenario: str) -> str:
        """As `depends_on`, with the scenario."""
        return depends_on(self.settings, "infer", scenario=scenario)

    def trained_models(self) -> list[Path]:
        """Weights of all trainings."""
        return [
            paths.model_folder(self.study, training) / "model.safetensors"
            for training in self.settings.trainings()
        ]

    def predicted_scenarios(self) -> list[Path]:
        """Folders of all models' predictions."""
        return [paths.prediction_folder(self.study, *cell) for cell in self._evaluated()]

    def measured_scenarios(self) -> list[Path]:
        """Metrics of all models' predictions."""
        return [paths.metrics_file(self.study, *cell) for cell in self._evaluated()]

    def _evaluated(self) -> list[tuple[Training, str]]:
        return [
            (training, scenario)
            for training in self.settings.trainings()
            for scenario in self.settings.scenarios_of(training.method)
        ]

    # Tables and report.

    def tables(self, study: Path) -> list[Path]:
        """The study's tables, in each format."""
        tables = self.settings.tables
        return [study / f"tables/{table}.{end}" for table in tables for end in _TABLE_FORMATS]

    def table_rows(self, study: Path) -> list[Path]:
        """The rows of all tables, a file for each."""
        return [
            study / f"tables/rows/{table}.{row.name}.json"
            for table, shown in self.settings.tables.items()
            for row in shown.rows
        ]

    def published(self, *ends: str) -> list[str]:
        """What the paper printed: the files with these ends, where there are any."""
        names = [CONFIG / "published" / f"{self.settings.published}.{end}" for end in ends]
        return [str(path) for path in map(shipped_file, names) if path.is_file()]
