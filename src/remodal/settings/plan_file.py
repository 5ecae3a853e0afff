"""A plan as a file: the part of a study's settings that nnU-Net plans, to be edited and shared."""

from typing import Any

from pydantic import Field, ValidationError

from remodal.errors import UserError
from remodal.settings.merging import merge, problems
from remodal.settings.network import Triple
from remodal.settings.section import Section


class PlannedPreparation(Section):
    """Of `preprocessing`."""

    spacing: tuple[float, float, float]


class PlannedNetwork(Section):
    """Of `network`."""

    strides: list[Triple] = Field(min_length=1)
    kernels: list[Triple]


class PlannedRecipe(Section):
    """Of `recipe`."""

    patch: Triple
    batch: int = Field(ge=1)


class PlanFile(Section):
    """What a plan file says, under the names that these settings have in a study."""

    preprocessing: PlannedPreparation
    network: PlannedNetwork
    recipe: PlannedRecipe


def plan_of(content: dict[str, Any], where: str) -> PlanFile:
    """The plan that a file holds.

    Raises:
        UserError: a key that is wrong, missing or not a plan's.
    """
    try:
        return PlanFile.model_validate(content)
    except ValidationError as error:
        raise UserError(
            problems(error),
            where=where,
            expected="preprocessing.spacing, network.strides and kernels, recipe.patch and batch",
        ) from error


def with_plan(content: dict[str, Any], plan: PlanFile) -> dict[str, Any]:
    """Settings on top of which a plan was laid.

    Pools say how many samples a batch has, so where there are any the batch stays.

    Args:
        content: of a study; its `network` may be a word.
        plan: the plan.
    """
    network = content.get("network")
    own = network if isinstance(network, dict) else {}
    recipe = content.get("recipe") or {}
    planned = plan.model_dump(mode="json")
    if recipe.get("pools"):
        del planned["recipe"]["batch"]
    left = {key: value for key, value in own.items() if key not in ("plan", "gpu_memory")}
    return merge(content | {"network": left}, planned)


def with_planned_spacing(content: Any) -> Any:
    """A study's settings, whose target spacing is the plan's if one is wanted and they say none."""
    network = content.get("network") if isinstance(content, dict) else None
    plan = network.get("plan") if isinstance(network, dict) else network
    preparation = content.get("preprocessing") or {} if plan == "auto" else None
    if not isinstance(preparation, dict) or preparation.get("spacing") is not None:
        return content
    return content | {"preprocessing": preparation | {"spacing": "plan"}}
