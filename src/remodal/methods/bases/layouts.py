"""Sizes of a method's networks, from the settings."""

from remodal.networks.unet import Layout, plan_layout
from remodal.settings import NetworkSettings


def layout_of(network: NetworkSettings) -> Layout:
    """Sizes of a U-Net's stages, from the settings."""
    return plan_layout(
        network.base_width,
        network.max_width,
        network.strides,
        network.anisotropic_kernels,
        network.version,
        network.kernels,
    )


def reduced_layout(network: NetworkSettings, share: int, strides: int) -> Layout:
    """Sizes of a network that was published smaller than nnU-Net, in proportion to the settings.

    Args:
        network: the study's.
        share: the first stage has the study's width divided by this, and at least 2 channels.
        strides: down-samplings, the study's first ones; fewer where the study has fewer, so that
            a patch that fits the study's networks fits this one.
    """
    first = network.strides[:strides]
    kernels = network.kernels and [*network.kernels[: len(first)], (3, 3, 3)]
    width = 2 * max(network.base_width // (2 * share), 1)
    smaller = {"base_width": width, "strides": first, "kernels": kernels}
    return layout_of(network.model_copy(update=smaller))
