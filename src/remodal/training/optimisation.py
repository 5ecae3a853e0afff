"""Optimiser and learning-rate schedule: the paper's, or the legacy recipe's where it is silent.

The MAML paper names Adam with an initial rate of 3e-4. AMSGrad, weight decay and the reduction on a
plateau are the legacy nnU-Net trainer's; SGD with polynomial decay is the repository's.
"""

from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    LRScheduler,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

from remodal.settings import RecipeSettings

Schedule = LRScheduler | ReduceLROnPlateau


def make_optimiser(groups: list[dict], recipe: RecipeSettings) -> Optimizer:
    """Optimiser for parameter groups, which may have arguments of their own, such as `betas`."""
    common = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "adam":
        return Adam(groups, amsgrad=recipe.amsgrad, **common)
    return SGD(groups, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)


def make_schedule(optimiser: Optimizer, recipe: RecipeSettings) -> Schedule:
    """Schedule that `advance` moves on, after each epoch or iteration as the recipe counts."""
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(
            optimiser,
            factor=recipe.plateau_factor,
            patience=recipe.patience,
            threshold=recipe.plateau_threshold,
            threshold_mode="abs",
        )
    if recipe.schedule == "poly":
        in_epochs = recipe.schedule_in == "epochs"
        total = recipe.epochs if in_epochs else recipe.epochs * recipe.iterations
        return PolynomialLR(optimiser, total_iters=total, power=recipe.poly_power)
    if recipe.schedule == "step":
        return StepLR(optimiser, step_size=recipe.decay_every, gamma=recipe.decay_factor)
    return ConstantLR(optimiser, factor=1.0, total_iters=0)


def advance(schedule: Schedule, smoothed_loss: float | None) -> None:
    """Set the next learning rate; a plateau is detected in the smoothed loss."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(smoothed_loss)
    else:
        schedule.step()


def smooth(average: float | None, loss: float, weight: float) -> float:
    """Moving average of the training loss; the first epoch's loss starts it."""
    return loss if average is None else weight * average + (1 - weight) * loss
