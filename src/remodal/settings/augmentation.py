"""Random changes of what a network is trained on."""

from pydantic import Field

from remodal.settings.section import Section


class AugmentationSettings(Section):
    """Random changes of a training patch; the defaults are the legacy nnU-Net trainer's."""

    in_slice: bool = Field(
        False,
        description="Rotate, zoom, deform and shift within the slices only, all slices alike "
        '(nnU-Net\'s "dummy 2-D", for thick slices and for 2.5-D).',
    )
    rotation_degrees: float = Field(15.0, ge=0, description="Largest rotation about each axis.")
    rotation_probability: float = Field(0.2, ge=0, le=1, description="Chance of a rotation.")
    scale: tuple[float, float] = Field((0.85, 1.25), description="Range of the zoom.")
    scale_probability: float = Field(0.2, ge=0, le=1, description="Chance of a zoom.")
    elastic_alpha: tuple[float, float] = Field(
        (0.0, 900.0), description="Strength of a deformation, in voxels."
    )
    elastic_sigma: tuple[float, float] = Field(
        (9.0, 13.0), description="Smoothness of a deformation, in voxels."
    )
    elastic_probability: float = Field(0.2, ge=0, le=1, description="Chance of a deformation.")
    mirror_probability: float = Field(
        0.5, ge=0, le=1, description="Chance of a flip along each axis."
    )
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
    translation: float = Field(
        0.1, ge=0, lt=1, description="Largest shift along each axis, as a share of the patch."
    )
    translation_probability: float = Field(0.0, ge=0, le=1, description="Chance of a shift.")
    offset: tuple[float, float] = Field(
        (-0.2, 0.2), description="Range of the number added to an image's intensities."
    )
    offset_probability: float = Field(0.0, ge=0, le=1, description="Chance of such an addition.")
    zero_background: bool = Field(
        False,
        description="Whether voxels that are zero in all images, as outside a skull-stripped "
        "brain, become zero again after all changes (nnU-Net's `use_mask_for_norm`).",
    )
    quarter_turn_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Chance of an exact rotation within the slices, by 0, 90, 180 or 270 degrees, "
        "each as likely (UA-MT and its successors, for the left atrium).",
    )
    one_mirror_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Chance of a flip along one of a slice's two axes (the same studies).",
    )
