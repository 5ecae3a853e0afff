"""Which weights of a training become the model: the last, or those with the best validation."""

from typing import Any, Literal

from torch import Tensor, nn

from remodal.training.checkpoints import Progress


class KeptWeights:
    """Keeps the weights of the best epoch so far, if the rule asks for them.

    Args:
        rule: `last` or `best_validation`.
        network: whose weights.
    """

    def __init__(self, rule: Literal["last", "best_validation"], network: nn.Module) -> None:
        self._rule, self._network = rule, network
        self._best: dict[str, Tensor] = {}

    def end_epoch(self, progress: Progress, dice: float | None) -> None:
        """Take note of an epoch that has just ended.

        Args:
            progress: its `kept_epoch` and `best` are updated; the epoch has not been added to its
                finished ones yet.
            dice: mean over the classes on the validation patches; None: it was not measured.
        """
        if self._rule == "last":
            progress.kept_epoch = progress.epoch + 1
        elif dice is not None and (progress.best is None or dice > progress.best):
            progress.kept_epoch, progress.best = progress.epoch + 1, dice
            weights = self._network.state_dict()
            self._best = {name: value.clone() for name, value in weights.items()}

    def put_back(self) -> None:
        """Load the weights to be kept into the network."""
        if self._best:
            self._network.load_state_dict(self._best)

    def state_dict(self) -> dict[str, Any]:
        """The best weights; empty under the rule `last`."""
        return self._best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._best = state
