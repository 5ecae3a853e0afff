"""What the methods paragraph says about the study's recipe, and about how its models predict."""

from collections.abc import Sequence

from remodal.counting import counted
from remodal.settings import InferenceSettings, RecipeSettings, Settings


def optimiser_words(recipe: RecipeSettings) -> str:
    """The optimiser's name."""
    if recipe.optimiser == "adam":
        return "Adam with AMSGrad" if recipe.amsgrad else "Adam"
    kind = "Nesterov" if recipe.nesterov else "momentum"
    with_momentum = f" with {kind} {recipe.momentum:g}" if recipe.momentum else ""
    return f"stochastic gradient descent{with_momentum}"


def schedule_words(recipe: RecipeSettings) -> str:
    """How the learning rate changes."""
    if recipe.schedule == "plateau":
        return (
            f"a learning rate lowered {1 / recipe.plateau_factor:g}-fold whenever the smoothed "
            f"training loss had not improved for {recipe.patience} epochs"
        )
    if recipe.schedule == "poly":
        return f"a polynomial decay of the learning rate (power {recipe.poly_power:g})"
    if recipe.schedule == "step":
        return (
            f"a learning rate lowered {1 / recipe.decay_factor:g}-fold every "
            f"{recipe.decay_every} {recipe.schedule_in}"
        )
    return "a constant learning rate"


def plan_sentence(settings: Settings) -> str:
    """What planned the network, from what and for which memory; empty if it was set by hand."""
    network, plan = settings.network, settings.network.planned
    if plan is None:
        return ""
    demand = ""
    if plan.times > 1:
        needing = settings.title_of(plan.method) if plan.method in settings.methods else plan.method
        demand = f", of which {needing} needs {plan.times:g} times what one U-Net does"
    cases = counted(plan.cases, "training case")
    return (
        f"Spacing, patch, batch, strides and kernels are the plan of {plan.file}, made as by "
        f"nnU-Net v2 [3] from {cases} for {plan.gpu_memory:g} GB of GPU memory{demand}: "
        f"strides {_stages(network.strides)} and kernels {_stages(network.kernels or [])} "
        "(z x y x x, stage by stage)."
    )


def _stages(triples: Sequence[tuple[int, int, int]]) -> str:
    return ", ".join("x".join(map(str, triple)) for triple in triples)


def clipping_words(recipe: RecipeSettings) -> str:
    """Whether gradients were clipped."""
    if recipe.gradient_clip is None:
        return "no clipping of gradients"
    return f"gradients clipped at norm {recipe.gradient_clip:g}"


def samples_sentence(recipe: RecipeSettings) -> str:
    """Whose labels were used and where samples came from; empty if all labelled cases were used."""
    sentences = []
    if recipe.labelled is not None:
        number = recipe.labelled if isinstance(recipe.labelled, int) else len(recipe.labelled)
        sentences.append(f"The labels of {number} training cases were used, no others were read.")
    if recipe.takes_unlabelled:
        pools = [f"{pool.samples} of {pool.cases} cases" for pool in recipe.sources]
        sentences.append(f"Every batch held samples of pools: {' and '.join(pools)}.")
    return " ".join(sentences)


def window_words(inference: InferenceSettings) -> str:
    """How much of a case is predicted at once."""
    if inference.window == "whole":
        return "whole, padded with zeros where the networks need it"
    weights = {"gaussian": "Gaussian", "uniform": "equal"}[inference.weights]
    step = inference.step
    if isinstance(step, tuple):
        said = f"{' x '.join(map(str, step))} voxels (z, y, x)"
    else:
        said = f"{step:g} patches"
    return f"by sliding windows with a step of {said} and {weights} weights"


def start_sentence(recipe: RecipeSettings) -> str:
    """The weights that networks started from, unless these were random."""
    if recipe.starting_weights is None:
        return ""
    return f"Networks started from given weights (SHA-256 {recipe.starting_weights.sha256})."


def checkpoint_sentence(recipe: RecipeSettings) -> str:
    """Which weights became the model."""
    if recipe.checkpoint == "last":
        return "The last checkpoint was used."
    return "The weights with the best Dice on validation patches were used."
