import pytest
import torch

from remodal.settings import RecipeSettings
from remodal.training.optimisation import advance, make_optimiser, make_schedule, smooth


def parts(**settings):
    recipe = RecipeSettings(**settings)
    weight = torch.nn.Parameter(torch.ones(2))
    optimiser = make_optimiser([{"params": [weight]}], recipe)
    return weight, optimiser, make_schedule(optimiser, recipe)


def rates(losses, **settings):
    """Learning rate of each epoch, given the loss after each."""
    _, optimiser, schedule = parts(**settings)
    found = []
    for loss in losses:
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        advance(schedule, loss)
    return found


def test_the_paper_trains_with_adam_amsgrad_and_weight_decay():
    _, optimiser, _ = parts()
    group = optimiser.param_groups[0]
    assert isinstance(optimiser, torch.optim.Adam)
    assert (group["lr"], group["amsgrad"], group["weight_decay"]) == (3e-4, True, 3e-5)


def test_the_first_adam_step_is_the_learning_rate_whatever_the_gradient():
    weight, optimiser, _ = parts(weight_decay=0)
    weight.grad = torch.tensor([5.0, -0.01])
    optimiser.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([1 - 3e-4, 1 + 3e-4]))


def test_the_repository_trains_with_nesterov_momentum():
    weight, optimiser, _ = parts(optimiser="sgd", learning_rate=0.01, weight_decay=0)
    weight.grad = torch.tensor([1.0, 2.0])
    optimiser.step()  # first step: gradient + 0.99 * gradient
    torch.testing.assert_close(weight.detach(), torch.tensor([1 - 0.0199, 1 - 0.0398]))


def test_the_rate_falls_to_a_fifth_when_the_loss_stays_for_longer_than_the_patience():
    found = rates([1.0] * 70, learning_rate=1.0)
    # the first loss is the best; 31 epochs without improvement follow before each step
    assert found[:32] == [1.0] * 32
    assert found[32:63] == pytest.approx([0.2] * 31)
    assert found[63:] == pytest.approx([0.04] * 7)


def test_an_improvement_below_the_absolute_threshold_does_not_count():
    slow = [1 - 0.0009 * epoch for epoch in range(3)] + [0.998] * 3
    assert rates(slow, learning_rate=1.0, patience=2)[-1] == pytest.approx(1.0)
    steady = [1 - 0.0003 * epoch for epoch in range(4)] + [0.9991]
    assert rates([*steady, 0.9991], learning_rate=1.0, patience=2)[-1] == pytest.approx(0.2)


def test_the_polynomial_decay_ends_near_zero():
    found = rates([1.0] * 10, schedule="poly", epochs=10, learning_rate=0.01)
    assert found == pytest.approx([0.01 * (1 - epoch / 10) ** 0.9 for epoch in range(10)])


def test_plain_adam_and_plain_momentum_are_settings():
    _, adam, _ = parts(amsgrad=False)
    assert adam.param_groups[0]["amsgrad"] is False
    weight, sgd, _ = parts(
        optimiser="sgd", momentum=0.9, nesterov=False, learning_rate=0.01, weight_decay=0
    )
    for _ in range(2):  # the second step adds 0.9 of the first
        weight.grad = torch.tensor([1.0, 2.0])
        sgd.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([1 - 0.029, 1 - 0.058]))


def test_the_rate_falls_to_a_tenth_every_so_many_epochs_or_iterations():
    steps = {"schedule": "step", "decay_every": 3, "learning_rate": 1.0}
    for counted in ("epochs", "iterations"):
        found = rates([1.0] * 7, schedule_in=counted, **steps)
        assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])


def test_a_polynomial_decay_in_iterations_ends_with_the_last_of_them():
    found = rates([1.0] * 12, schedule="poly", schedule_in="iterations", epochs=3, iterations=4)
    assert found == pytest.approx([3e-4 * (1 - number / 12) ** 0.9 for number in range(12)])


def test_a_plateau_is_not_one_of_iterations():
    with pytest.raises(ValueError, match="a plateau is one of epochs"):
        RecipeSettings(schedule_in="iterations")


def test_a_constant_rate_stays():
    assert rates([1.0] * 5, schedule="constant", learning_rate=0.01) == [0.01] * 5


def test_the_loss_average_starts_with_the_first_loss():
    assert smooth(None, 2.0, 0.93) == 2.0
    assert smooth(2.0, 1.0, 0.93) == pytest.approx(0.93 * 2 + 0.07)
