"""Which weights of a training are the model: the last ones, or those of the best validation."""

from typing import Any, Literal

from torch import Tensor, nn

from remodal.training.checkpoints import Progress


class KeptWeights:
    """Keeps the weights of the best epoch so far, where the rule wants them.

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
            progress: `kept_epoch` and `best` are brought up to date; the epoch still counts as
                unfinished in it.
            dice: mean over the classes on the validation patches; None: it was not measured.
        """
        if self._rule == "last":
            progress.kept_epoch = progress.epoch + 1
        elif dice is not None and (progress.best is None or dice > progress.best):
            progress.kept_epoch, progress.best = progress.epoch + 1, dice
            weights = self._network.state_dict()
            self._best = {name: value.clone() for name, value in weights.items()}

    def put_back(self) -> None:
        """Give the network the weights that are the model."""
        if self._best:
            self._network.load_state_dict(self._best)

    def state_dict(self) -> dict[str, Any]:
        """The best weights; empty by the rule of the last ones."""
        return self._best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._best = state
