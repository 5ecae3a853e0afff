"""The networks' size, the optimisation and the augmentation."""

from typing import Literal

from pydantic import Field

from remodal.settings.section import Section


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
