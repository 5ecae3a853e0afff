"""U-HeMIS: mean and variance of the features of whichever modalities are there.

Source: ReubenDo/U-HVED, u_hemis_net.py and application.py; the row `HeMIS` of the MAML paper's
Table 3, whose numbers are those of U-HeMIS. Its authors train by Adam (no AMSGrad) at a rate of
1e-3, divided by 4 every 10,000 of 60,000 iterations, with an L2 penalty of 1e-5, one patch of
112^3 a batch, flips and a zoom of up to 10 %.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field
from torch import Tensor

from remodal.methods.base import LossOptions, Method, some_of
from remodal.methods.bases.layouts import reduced_layout
from remodal.networks.hemis import UHemis
from remodal.networks.unet import Layout
from remodal.objectives.batch import Batch, Step
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from remodal.objectives.subsets import Draw, draw_subset
from remodal.settings import NetworkSettings


class Options(LossOptions):
    """Options of U-HeMIS."""

    draw: Draw = Field(
        "size",
        description="Which modalities a training step sees: every number of them is as likely "
        "(`size`, the repository), or every `subset`.",
    )


class UHemisMethod(Method):
    """One network for every subset of its modalities; each step is trained on a random one."""

    Options = Options

    @classmethod
    def patch_multiple(cls, network: NetworkSettings) -> tuple[int, int, int]:
        """That of its own down-samplings, which are fewer than the study's."""
        return cls.layout(network).factor

    @classmethod
    def layout(cls, network: NetworkSettings) -> Layout:
        """Four stages of a quarter of the settings' width: 8, 16, 32 and 64 channels of 32."""
        return reduced_layout(network, share=4, strides=3)

    def build(self, network: NetworkSettings) -> UHemis:
        """Encoders, fusion by mean and variance, one decoder."""
        return UHemis(len(self.modalities), self.classes + 1, self.layout(network))

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The segmentation loss of a random subset, the same for the whole batch."""
        chosen = draw_subset(self.modalities, self.options.draw)
        logits = self.network(self.in_slots(batch.images, chosen))
        log_p = log_probabilities(logits)
        return {"loss": segmentation_loss(log_p, batch.label, self.options.dice_over)}

    def supports(self, present: Iterable[str]) -> bool:
        """Any of its modalities."""
        return some_of(self.modalities, present)

    def probabilities(self, images: Mapping[str, Tensor]) -> Tensor:
        """Of whichever modalities are there."""
        self.require_support(images)
        return log_probabilities(self.network(self.in_slots(images))).exp()


METHOD = UHemisMethod
