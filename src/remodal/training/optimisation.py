"""Optimiser and learning-rate schedule: the paper's, with the legacy recipe where it is silent.

The MAML paper names Adam with an initial rate of 3e-4; AMSGrad, weight decay and the reduction on a
plateau are the legacy nnU-Net trainer's, SGD with the polynomial decay is the repository's.
"""

from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, PolynomialLR, ReduceLROnPlateau

from remodal.settings import RecipeSettings

_MOMENTUM = 0.99
_POWER = 0.9


def make_optimiser(groups: list[dict], recipe: RecipeSettings) -> Optimizer:
    """Optimiser of a method's parameter groups."""
    common = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "adam":
        return Adam(groups, amsgrad=True, **common)
    return SGD(groups, momentum=_MOMENTUM, nesterov=True, **common)


def make_schedule(optimiser: Optimizer, recipe: RecipeSettings) -> LRScheduler | ReduceLROnPlateau:
    """Schedule that `advance` moves on after each epoch."""
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(
            optimiser,
            factor=recipe.plateau_factor,
            patience=recipe.patience,
            threshold=recipe.plateau_threshold,
            threshold_mode="abs",
        )
    if recipe.schedule == "poly":
        return PolynomialLR(optimiser, total_iters=recipe.epochs, power=_POWER)
    return ConstantLR(optimiser, factor=1.0, total_iters=0)


def advance(schedule: LRScheduler | ReduceLROnPlateau, smoothed_loss: float) -> None:
    """Set the next epoch's learning rate."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(smoothed_loss)
    else:
        schedule.step()


def smooth(average: float | None, loss: float, weight: float) -> float:
    """Moving average of the training loss; the first epoch's loss starts it."""
    return loss if average is None else weight * average + (1 - weight) * loss
