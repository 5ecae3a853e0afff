"""U-HVED: a variational encoder-decoder; modalities are fused as a product of Gaussians.

Source: ReubenDo/U-HVED, u_hved_net.py and application.py (Dorent et al. 2019); the row `U-HVED` of
the MAML paper's Table 3. Loss = cross-entropy + Dice + 0.1 * KL + 0.1 * mean squared error of the
reconstructed images. Its recipe is that of U-HeMIS; the released code divides the rate by 4 every
10 iterations, which would end the training after a hundred, where U-HeMIS has 10,000.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from remodal.methods import hemis
from remodal.methods.bases.optimisation import Optimisation, minimised_together
from remodal.networks.hved import UHved, reconstructors
from remodal.objectives.batch import Batch, Step
from remodal.objectives.gaussians import Gaussian, product_with_prior, sample, subset_divergence
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.objectives.subsets import draw_subset
from remodal.settings import NetworkSettings, RecipeSettings


class Options(hemis.Options):
    """Options of U-HVED."""

    kl_weight: float = Field(0.1, ge=0, description="Weight of the KL terms.")
    reconstruction_weight: float = Field(
        0.1, ge=0, description="Weight of the reconstruction of all images."
    )
    inference: Literal["sample", "mean"] = Field(
        "sample",
        description="What is decoded at inference: a `sample` (the repository's segmentation), "
        "or the `mean` (its reconstruction), which depends on no seed.",
    )
    sampling_seed: int = Field(0, ge=0, description="Seed of the sample at inference.")


class UHvedMethod(hemis.UHemisMethod):
    """One network for every subset of its modalities; each step is trained on a random one."""

    Options = Options
    fewest_modalities = 2

    def build(self, network: NetworkSettings) -> UHved:
        """Encoders that put out Gaussians, one decoder of the segmentation."""
        return UHved(len(self.modalities), self.classes + 1, self.layout(network))

    def build_companions(self, network: NetworkSettings) -> dict[str, nn.Module]:
        """The decoders that reconstruct the images."""
        return {"reconstruction": reconstructors(len(self.modalities), self.layout(network))}

    def optimisations(self, recipe: RecipeSettings) -> dict[str, Optimisation]:
        """One loss trains the network and the decoders of the images."""
        return minimised_together([self.network, self.companions["reconstruction"]], recipe)

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The segmentation from a random subset, the KL terms and the reconstruction of all images.

        All images are encoded: the KL terms compare what every subset says.
        """
        options, images = self.options, self.in_order(batch.images)
        drawn = draw_subset(self.modalities, options.draw)
        chosen = [self.modalities.index(name) for name in drawn]
        scales = self._scales(images)
        hidden = [
            sample(product, torch.randn_like(product.mean))
            for product in (product_with_prior([scale[i] for i in chosen]) for scale in scales)
        ]
        log_p = log_probabilities(self.network.decoder(hidden))
        segmentation = segmentation_loss(log_p, batch.label, options.dice_over)
        kl = sum(subset_divergence(scale, chosen) for scale in scales) / len(scales)
        squares = [
            (decoder(hidden).float() - image).square().mean()
            for decoder, image in zip(self.companions["reconstruction"], images)
        ]
        reconstruction = sum(squares) / len(squares)
        loss = segmentation + options.kl_weight * kl
        return {
            "loss": loss + options.reconstruction_weight * reconstruction,
            "segmentation": segmentation.detach(),
            "kl": kl.detach(),
            "reconstruction": reconstruction.detach(),
        }

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """From a sample, or from the mean, of what the images that are there say together."""
        self.require_support(images)
        hidden = [product_with_prior(scale) for scale in self._scales(self.in_slots(images))]
        return log_probabilities(self.network.decoder(self._decoded(hidden))).exp()

    def _scales(self, images: Sequence[Tensor | None]) -> list[list[Gaussian]]:
        """For each scale, the Gaussian of each image that is there."""
        encoded = self.network.encode(images)
        return [[Gaussian(*expert) for expert in scale] for scale in zip(*encoded)]

    def _decoded(self, hidden: Sequence[Gaussian]) -> list[Tensor]:
        """What is decoded at inference. The noise is that of a batch of one, made on the CPU.

        A prediction then depends neither on the number of windows in a batch nor on the device.
        """
        if self.options.inference == "mean":
            return [gaussian.mean for gaussian in hidden]
        mean = hidden[0].mean
        shapes = tuple(tuple(map(int, gaussian.mean.shape[1:])) for gaussian in hidden)
        noise = _noise(self.options.sampling_seed, shapes, mean.device, mean.dtype)
        return [sample(*each) for each in zip(hidden, noise)]


@lru_cache(maxsize=2)
def _noise(
    seed: int, shapes: tuple[tuple[int, ...], ...], device: torch.device, dtype: torch.dtype
) -> list[Tensor]:
    """Standard normal noise for each scale: the same for all windows of a size, so drawn once."""
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(False):
        return [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]


METHOD = UHvedMethod
