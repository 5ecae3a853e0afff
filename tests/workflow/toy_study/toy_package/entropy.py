"""The same network, which is also drawn to be certain where there is no label."""

from torch import Tensor

from remodal.objectives.batch import Batch, Step
from remodal.objectives.segmentation import log_probabilities, segmentation_loss
from toy_package.mean_of_sequences import MeanOfSequences


class Entropy(MeanOfSequences):
    """Learns from unlabelled samples too."""

    takes_unlabelled = True

    def objective(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Segmentation of the labelled samples, and the entropy of the others."""
        log_p = log_probabilities(self._logits(batch.images))
        known = batch.labelled
        supervised = segmentation_loss(log_p[known], batch.label[known], self.options.dice_over)
        entropy = -(log_p.exp() * log_p)[~known].sum(1).mean()
        return {"loss": supervised + 0.1 * entropy, "entropy": entropy.detach()}


METHOD = Entropy
