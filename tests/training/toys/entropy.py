"""Segmentation of the labelled samples, and little entropy in the unlabelled ones."""

from remodal.objectives.segmentation import segmentation_loss

from .any_size import AnySize


class Entropy(AnySize):
    """Segmentation of the labelled samples, and little entropy in the unlabelled ones."""

    takes_unlabelled = True

    def objective(self, batch, step):
        log_p = self.log_probabilities(batch.images)
        labelled = batch.labelled
        entropy = -(log_p.exp() * log_p)[~labelled].sum(1).mean()
        supervised = segmentation_loss(log_p[labelled], batch.label[labelled])
        return {"loss": supervised + 0.1 * entropy, "entropy": entropy.detach()}


METHOD = Entropy
