"""Which methods were trained with a recipe that differs from the study's."""

from typing import Any

from remodal.settings import Settings


def own_recipes(settings: Settings) -> dict[str, dict[str, Any]]:
    """For each method with a recipe of its own, the dotted keys that differ, and their values.

    A key that a method sets to the study's own value does not count as a difference.
    """
    common = _flat(settings.recipe.described())
    found = {}
    for method in settings.methods:
        own = _flat(settings.recipe_of(method).described())
        if different := {key: value for key, value in own.items() if value != common.get(key)}:
            found[method] = different
    return found


def _flat(content: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in content.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat
