"""Typed settings: one model per section, from which the checks and config/README.md come."""

import math
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A part of the settings: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(Section):
    """Where the cases come from and what their labels mean."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="Name of the data set's folder.")
    source: str = Field(
        "sheet",
        description="Name of a module in intake/datasets: `sheet` (your files), `phantom` "
        "(simulated patients), `real_ct` (simulated lesions in a real CT).",
    )
    sheet: Path | None = Field(
        None, description="Sample sheet (TSV), for source `sheet`. Example: config/samples.tsv"
    )
    simulated: bool = Field(
        False, description="Whether the report must say the data are simulated."
    )
    description: str = Field("", description="One sentence for the report's banner.")
    modalities: list[str] = Field(min_length=1, description="The modalities of a case, in order.")
    classes: dict[str, list[int]] = Field(
        min_length=1,
        description="Classes to segment: name, and the label's values that belong to it.",
    )
    empty_label: Literal["quarantine", "keep"] = Field(
        "quarantine", description="What happens to a case whose label holds none of the classes."
    )


class PhantomSettings(Section):
    """The simulated patients."""

    cases: int = Field(ge=2, description="Number of patients.")
    matrix: int = Field(ge=32, description="Rows and columns of a slice (512 on a scanner).")
    slices: tuple[int, int] = Field(description="Fewest and most slices of a series.")
    field_of_view: tuple[float, float] = Field(
        (287.0, 466.0),
        description="In-plane field of view in mm, least and most "
        "(0.56 to 0.91 mm pixels at a matrix of 512, as in the MAML paper).",
    )
    slice_spacing: float = Field(gt=0, description="Slice spacing in mm (1.5 in the MAML paper).")
    lesions: tuple[int, int] = Field((1, 4), description="Fewest and most lesions of a patient.")
    lesion_diameter: tuple[float, float] = Field(
        (12.0, 60.0), description="Smallest and largest lesion diameter in mm."
    )
    noise: tuple[float, float] = Field(
        (8.0, 16.0), description="Least and most standard deviation of the noise in HU."
    )
    breathing: tuple[float, float] = Field(
        (4.0, 14.0), description="Least and most head-foot shift of the liver between phases, mm."
    )
    layouts: list[Literal["axial", "oblique", "coronal", "sagittal", "nifti", "mixed"]] = Field(
        ["axial", "oblique", "coronal", "sagittal", "nifti", "mixed"],
        min_length=1,
        description="How the patients' files are stored, in turn: DICOM slices of that orientation "
        "(`oblique` and `sagittal`: of a patient who lies askew), `nifti`: oblique files in RAS, "
        "`mixed`: the arterial phase as a file in LAS, the venous one as axial DICOM.",
    )
    seed: int = Field(2021, ge=0, description="Seed of the whole data set.")

    @model_validator(mode="after")
    def _least_before_most(self) -> "PhantomSettings":
        for name in ("slices", "field_of_view", "lesions", "lesion_diameter", "noise", "breathing"):
            least, most = getattr(self, name)
            if not 0 <= least <= most:
                raise ValueError(f"{name}: the least, {least}, is negative or above {most}")
        if self.slices[0] < 4 or self.lesion_diameter[0] <= 0:
            raise ValueError("slices must be at least 4 and lesion_diameter above 0")
        return self


class RegistrationSettings(Section):
    """Bringing the other modalities onto the fixed one's grid."""

    method: Literal["elastix", "none"] = Field(
        "elastix", description="`none`: the images already share one grid, which is checked."
    )
    fixed: str = Field(description="The modality whose grid all others are brought to.")
    transforms: list[Literal["translation", "rigid", "affine", "bspline"]] = Field(
        ["rigid", "bspline"], description="Transforms, estimated one after the other."
    )
    grid_spacing: float = Field(
        20.0, gt=0, description="Final B-spline control point spacing in mm."
    )
    resolutions: int = Field(3, ge=1, description="Number of image pyramid levels.")
    iterations: int = Field(250, ge=1, description="Iterations at each level.")
    samples: int = Field(2048, ge=100, description="Voxels drawn at each iteration.")
    bending: float = Field(
        500.0, ge=0, description="Weight of the B-spline's bending energy beside its metric."
    )
    working_spacing: float = Field(
        2.0,
        gt=0,
        description="Voxel size in mm that transforms are estimated at; finer images are averaged.",
    )
    body_threshold: float | None = Field(
        -300.0, description="Intensity above which a voxel is body; empty: no body mask (MR)."
    )
    outside: float = Field(-1024.0, description="Intensity outside the moving image (air in HU).")
    seed: int = Field(121212, description="Seed of elastix's random sampler.")


class PreprocessingSettings(Section):
    """Intensities, spacing and cropping."""

    clip: Literal["dataset_foreground", "case", "none"] = Field(
        "dataset_foreground",
        description="Where the percentiles of the clipping come from: the foreground voxels of the "
        "training cases (nnU-Net's CT2), each case itself, or no clipping. "
        "The MAML paper does not say which.",
    )
    percentiles: tuple[float, float] = Field((0.5, 99.5), description="Lower and upper percentile.")
    normalise: Literal["case", "case_nonzero"] = Field(
        "case",
        description="Zero mean and unit variance over each case: voxels inside the clipping "
        "range, or the non-zero voxels (MR).",
    )
    spacing: tuple[float, float, float] | None = Field(
        None, description="Target spacing (z, y, x) in mm; empty: the training cases' median."
    )
    crop: Literal["body", "nonzero", "none"] = Field(
        "body", description="Box that is kept: the patient's body, the non-zero voxels, or all."
    )
    body_threshold: float = Field(-300.0, description="Intensity above which a voxel is body.")
    storage: Literal["float16", "float32"] = Field(
        "float16", description="Number format of the stored arrays."
    )


class SplitSettings(Section):
    """Which cases train and which test: always by patient."""

    scheme: Literal["holdout", "kfold", "file"] = Field(
        "holdout", description="One test set, k folds, or a shared split file."
    )
    test_fraction: float = Field(0.2, gt=0, lt=1, description="Share of patients in the test set.")
    folds: int = Field(
        5, ge=1, description="Number of folds of `kfold` (2 or more), or of the imported file."
    )
    validation_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the training patients kept aside for the validation curve; "
        "never used to choose a checkpoint.",
    )
    stratify: bool = Field(
        True,
        description="Keep the shares of the groups equal, where groups are given, and those of the "
        "cases that lack a modality.",
    )
    seed: int = Field(12345, description="Seed of the shuffling.")
    file: Path | None = Field(None, description="Split file to import, for scheme `file`.")

    @property
    def fold_count(self) -> int:
        """Number of folds that the scheme trains (1 for a hold-out)."""
        return 1 if self.scheme == "holdout" else self.folds


class NetworkSettings(Section):
    """Size of the networks (the same for every method)."""

    base_width: int = Field(32, ge=1, description="Channels of the first stage.")
    max_width: int = Field(320, ge=1, description="Cap of the doubling.")
    strides: list[tuple[int, int, int]] = Field(
        [(2, 2, 2)] * 5,
        min_length=1,
        description="Down-sampling (z, y, x) into each stage after the first.",
    )
    anisotropic_kernels: bool = Field(
        False,
        description="Kernels of 1 along an axis until its first down-sampling (1 x 3 x 3, as "
        "nnU-Net plans for thick slices), instead of 3 x 3 x 3 everywhere.",
    )


class AugmentationSettings(Section):
    """Random changes of a training patch; the defaults are the legacy nnU-Net trainer's."""

    in_slice: bool = Field(
        False,
        description='Rotate, zoom and deform within the slices only (nnU-Net\'s "dummy 2-D", for '
        "thick slices).",
    )
    rotation_degrees: float = Field(15.0, ge=0, description="Largest rotation about each axis.")
    rotation_probability: float = Field(0.2, ge=0, le=1, description="Chance of a rotation.")
    scale: tuple[float, float] = Field((0.85, 1.25), description="Range of the zoom.")
    scale_probability: float = Field(0.2, ge=0, le=1, description="Chance of a zoom.")
    elastic_alpha: tuple[float, float] = Field(
        (0.0, 900.0), description="Elastic strength, voxels."
    )
    elastic_sigma: tuple[float, float] = Field(
        (9.0, 13.0), description="Elastic smoothness, voxels."
    )
    elastic_probability: float = Field(0.2, ge=0, le=1, description="Chance of a deformation.")
    mirror_probability: float = Field(0.5, ge=0, le=1, description="Chance of a flip, each axis.")
    gamma: tuple[float, float] = Field((0.7, 1.5), description="Range of the gamma exponent.")
    gamma_probability: float = Field(0.3, ge=0, le=1, description="Chance of a gamma change.")
    gamma_inverted_probability: float = Field(
        0.0, ge=0, le=1, description="Chance of a gamma change of the inverted image (V2 recipe)."
    )
    noise_probability: float = Field(0.0, ge=0, le=1, description="Chance of Gaussian noise (V2).")
    noise_variance: tuple[float, float] = Field(
        (0.0, 0.1),
        description="Range of the noise's standard deviation (which nnU-Net calls its variance).",
    )
    blur_probability: float = Field(0.0, ge=0, le=1, description="Chance of a blur (V2).")
    blur_sigma: tuple[float, float] = Field((0.5, 1.0), description="Blur in voxels.")
    brightness_probability: float = Field(0.0, ge=0, le=1, description="Chance of a factor (V2).")
    brightness: tuple[float, float] = Field((0.75, 1.25), description="Range of the factor.")
    contrast_probability: float = Field(0.0, ge=0, le=1, description="Chance of a contrast (V2).")
    contrast: tuple[float, float] = Field((0.75, 1.25), description="Range of the contrast.")
    low_resolution_probability: float = Field(
        0.0, ge=0, le=1, description="Chance of a simulated low resolution (V2)."
    )
    low_resolution: tuple[float, float] = Field((0.5, 1.0), description="Range of its zoom.")


class TrainingSettings(Section):
    """The optimisation (the same for every method unless the method says otherwise)."""

    patch: tuple[int, int, int] = Field((128, 128, 128), description="Patch (z, y, x) in voxels.")
    batch: int = Field(2, ge=1, description="Patches in a batch, summed over devices.")
    epochs: int = Field(600, ge=1, description="Epochs (600 in the MAML paper).")
    iterations: int = Field(250, ge=1, description="Batches in an epoch (250 in nnU-Net).")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="`adam`: Adam with AMSGrad (paper); `sgd`: Nesterov 0.99 (repository)."
    )
    learning_rate: float = Field(3e-4, gt=0, description="Initial learning rate.")
    weight_decay: float = Field(3e-5, ge=0, description="L2 penalty.")
    schedule: Literal["plateau", "poly", "constant"] = Field(
        "plateau",
        description="`plateau`: times 0.2 when the smoothed training loss has not improved for "
        "`patience` epochs (legacy nnU-Net); `poly`: (1 - epoch/epochs)^0.9 (repository).",
    )
    plateau_factor: float = Field(0.2, gt=0, lt=1, description="Factor of a plateau step.")
    patience: int = Field(30, ge=1, description="Epochs without improvement before a step.")
    plateau_threshold: float = Field(1e-3, ge=0, description="Absolute improvement that counts.")
    loss_smoothing: float = Field(0.93, ge=0, lt=1, description="Weight of the old loss average.")
    gradient_clip: float = Field(12.0, gt=0, description="Largest L2 norm of the gradient.")
    foreground: float = Field(
        0.33, ge=0, le=1, description="Share of a batch centred on foreground (at least the last)."
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="`auto`: bf16 where the device has it, else 32-bit."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    devices: int = Field(1, ge=1, description="GPUs of one node that train together.")
    threads: int = Field(8, ge=1, description="CPU threads of a training job.")
    cache: Literal["auto", "device", "host", "disk"] = Field(
        "auto",
        description="Where the training volumes are held; `auto`: on the GPU if they fit, else in "
        "memory, else mapped from disk (on a CPU always so: the system caches files).",
    )
    compile: bool = Field(False, description="Compile the network (pays on a GPU).")
    validate_every: int = Field(
        1, ge=1, description="Epochs between points of the validation curve."
    )
    checkpoint_every: int = Field(10, ge=1, description="Epochs between checkpoints.")
    augmentation: AugmentationSettings = Field(
        default_factory=AugmentationSettings, description="Random changes of a patch."
    )


class InferenceSettings(Section):
    """Sliding-window prediction."""

    step: float = Field(0.5, gt=0, le=1, description="Window step as a share of the patch.")
    mirror: bool = Field(True, description="Average over all mirrorings (8-fold in 3-D).")
    batch: int = Field(4, ge=1, description="Windows evaluated together.")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="Number format of the network passes."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to predict.")
    threads: int = Field(8, ge=1, description="CPU threads of an inference job.")


class MetricsSettings(Section):
    """What is measured."""

    names: list[str] = Field(
        [
            "dice",
            "jaccard",
            "voe",
            "rvd",
            "assd_voxel",
            "assd_mm",
            "masd_voxel",
            "masd_mm",
            "hd95_voxel",
            "hd95_mm",
            "rmsd_mm",
        ],
        description="Metrics of the per-case table.",
    )
    lesion_overlap: float = Field(
        0.1, ge=0, le=1, description="IoU from which a predicted lesion counts as found."
    )


class TrackingSettings(Section):
    """The record in MLflow."""

    register_models: bool = Field(
        True,
        description="Whether trained models are registered, to be served: copies their weights "
        "into the MLflow store.",
    )


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


class Settings(Section):
    """Everything that determines a study's results."""

    study: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="Name of the study.")
    preset: str = Field(description="How much work: smoke, demo, paper.")
    title: str = Field(description="Title of the report.")
    citation: str = Field("", description="The paper that is reproduced.")
    published: str = Field("", description="Published numbers: a file of config/published.")
    strict: bool = Field(
        False,
        description="Stop at the first bad case, or fault of ours in one, instead of going on.",
    )
    seeds: list[int] = Field([0], min_length=1, description="Training seeds.")
    data: DataSettings
    phantom: PhantomSettings
    registration: RegistrationSettings
    preprocessing: PreprocessingSettings = Field(default_factory=PreprocessingSettings)
    splits: SplitSettings = Field(default_factory=SplitSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    methods: dict[str, MethodSettings] = Field(min_length=1)
    scenarios: dict[str, list[str]] = Field(min_length=1)
    tables: dict[str, TableSettings] = Field(default_factory=dict)
    claims: list[ClaimSettings] = Field(default_factory=list)

    @property
    def study_id(self) -> str:
        """Name of the study's folder: presets never overwrite each other."""
        return f"{self.study}-{self.preset}"

    @property
    def data_id(self) -> str:
        """Name of the data set's folder: simulated data differ from preset to preset."""
        return f"{self.data.name}-{self.preset}" if self.data.simulated else self.data.name

    def modalities_of(self, method: str) -> list[str]:
        """The modalities that a method takes; a training case must have all of them."""
        return self.methods[method].modalities or self.data.modalities

    def scenarios_of(self, method: str) -> list[str]:
        """The scenarios that a method is evaluated in."""
        own = set(self.modalities_of(method))
        return self.methods[method].scenarios or [
            name for name, present in self.scenarios.items() if set(present) == own
        ]

    @model_validator(mode="after")
    def _patch_fits_network(self) -> "Settings":
        factor = [math.prod(steps) for steps in zip(*self.network.strides)]
        patch = self.training.patch
        if any(length % step for length, step in zip(patch, factor)) or list(patch) == factor:
            raise ValueError(
                f"training.patch: {list(patch)} must be a multiple of {factor}, the product of "
                "network.strides, and leave more than one voxel in the last stage"
            )
        return self

    @model_validator(mode="after")
    def _names_are_usable(self) -> "Settings":
        named = {
            "data.modalities": self.data.modalities,
            "data.classes": self.data.classes,
            "methods": self.methods,
            "scenarios": self.scenarios,
            "tables": self.tables,
        }
        for where, names in named.items():
            _require_usable(where, list(names))
        if taken := sorted(_RESERVED & set(self.data.modalities)):
            raise ValueError(
                f"data.modalities: `{taken[0]}` is a word of our own; call it otherwise"
            )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        known = set(self.data.modalities)
        _require_known("registration.fixed", [self.registration.fixed], known)
        for name, method in self.methods.items():
            _require_known(f"methods.{name}.modalities", method.modalities, known)
            _require_known(f"methods.{name}.scenarios", method.scenarios, self.scenarios)
            _require_known(f"methods.{name}.inputs", method.inputs.values(), self.methods)
        for name, modalities in self.scenarios.items():
            _require_known(f"scenarios.{name}", modalities, known)
        for name, table in self.tables.items():
            for row in table.rows:
                _require_known(f"tables.{name}.rows", [row.method], self.methods)
                _require_known(
                    f"tables.{name}.rows, {row.method}",
                    [row.scenario],
                    self.scenarios_of(row.method),
                )
            _require_known(f"tables.{name}.reference", table.reference, self.scenarios)
            _require_known(f"tables.{name}.reference", table.reference.values(), self.methods)
        for number, claim in enumerate(self.claims, 1):
            for cell in [*claim.first, *claim.second]:
                _require_known(f"claims {number}", [cell.method], self.methods)
                _require_known(f"claims {number}", [cell.scenario], self.scenarios)
        return self


#: A modality's name is that of a file beside these, and an option beside those of `predict`.
_RESERVED = {"label", "registration", "model", "output"}


def _require_usable(where: str, names: list[str]) -> None:
    """Names become files, patterns and options: letters, digits, `_` and `-`, each once."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"{where}: `{name}` is no name; use letters, digits, `_` and `-`")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where}: `{repeated[0]}` is there twice")


def _require_known(where: str, names, known) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: `{name}` is not one of {', '.join(sorted(known))}")
