"""A plan as a file: the part of a study's settings that nnU-Net plans, to be edited and shared."""

from typing import Any

from pydantic import Field, ValidationError

from remodal.errors import UserError
from remodal.settings.merging import merge, problems
from remodal.settings.network import Planned, Triple
from remodal.settings.section import Section

#: The parts of a plan that a study may say instead, by section and key.
_PLANNED = (
    ("network", "strides"),
    ("network", "kernels"),
    ("recipe", "patch"),
    ("recipe", "batch"),
)


class PlannedPreparation(Section):
    """Of `preprocessing`."""

    spacing: tuple[float, float, float]


class PlannedNetwork(Section):
    """Of `network`."""

    strides: list[Triple] = Field(min_length=1)
    kernels: list[Triple]
    planned: Planned | None = None


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


def with_plan(content: dict[str, Any], plan: PlanFile, file: str) -> dict[str, Any]:
    """Settings on top of which a plan was laid.

    Pools say how many samples a batch has, so where there are any the batch stays.

    Args:
        content: of a study; its `network` may be a word.
        plan: the plan.
        file: name of its file, for the report.
    """
    network = content.get("network")
    own = network if isinstance(network, dict) else {}
    recipe = content.get("recipe") or {}
    planned = plan.model_dump(mode="json")
    if plan.network.planned is None:
        del planned["network"]["planned"]
    else:
        planned["network"]["planned"]["file"] = file
    if recipe.get("pools"):
        del planned["recipe"]["batch"]
    left = {
        key: value for key, value in own.items() if key not in ("plan", "gpu_memory", "planned")
    }
    return merge(content | {"network": left}, planned)


def named_plan(content: dict[str, Any]) -> str:
    """What `network.plan` of a study's settings says; empty: no plan is wanted."""
    network = content.get("network")
    said = network.get("plan") if isinstance(network, dict) else network
    return said if isinstance(said, str) else ""


def require_planned_unsaid(layer: dict[str, Any], content: dict[str, Any], where: str) -> None:
    """Check that one layer of settings does not say what a plan says too and would overrule.

    What a layer below the plan's says is replaced by the plan.

    Args:
        layer: of the settings, such as a study's file.
        content: the settings with this layer on top.
        where: names the layer.

    Raises:
        UserError: it says a part of the plan.
    """
    if not named_plan(content):
        return
    recipe = content.get("recipe") or {}
    for section, key in _PLANNED:
        said = layer.get(section)
        if not isinstance(said, dict) or said.get(key) is None:
            continue
        if key != "batch" or not recipe.get("pools"):
            raise UserError(
                f"`{section}.{key}` is said here, but the plan of the networks says it",
                where=where,
                expected="one of both",
                remedy="leave it out; or say network.strides, network.kernels, recipe.patch and "
                "recipe.batch, and no plan",
            )


def with_planned_spacing(content: Any) -> Any:
    """A study's settings, whose target spacing is the plan's if one is wanted and they say none."""
    wanted = isinstance(content, dict) and named_plan(content) == "auto"
    preparation = content.get("preprocessing") or {} if wanted else None
    if not isinstance(preparation, dict) or preparation.get("spacing") is not None:
        return content
    return content | {"preprocessing": preparation | {"spacing": "plan"}}
