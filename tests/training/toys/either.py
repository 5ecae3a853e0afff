"""One network for images that have a truth each: the one to be segmented comes first."""

import torch

from remodal.objectives.segmentation import segmentation_loss

from .any_size import AnySize


class Either(AnySize):
    """Two inputs, one output, unspecialised: the roles are swapped at random."""

    def log_probabilities_of(self, images, target):
        others = [name for name in self.modalities if name != target]
        ordered = torch.cat([images[name] for name in (target, *others)], dim=1)
        return self.network(ordered).log_softmax(1)

    def objective(self, batch, step):
        """The loss of one of the images."""
        target = self.modalities[int(torch.randint(len(self.modalities), ()))]
        log_p = self.log_probabilities_of(batch.images, target)
        return {"loss": segmentation_loss(log_p, batch.labels[target])}

    def probabilities_of(self, images, target):
        """Of the image that is asked for."""
        return self.log_probabilities_of(images, target).exp()


METHOD = Either
