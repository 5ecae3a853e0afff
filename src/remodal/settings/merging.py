"""Settings on top of others."""

from typing import Any

from pydantic import ValidationError


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Put `change` on top of `base`; mappings are merged key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def without(base: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """`base` without what is also in `keys`; mappings are compared key by key."""
    left = {}
    for key, value in base.items():
        if key not in keys:
            left[key] = value
        elif isinstance(value, dict) and isinstance(keys[key], dict):
            left[key] = without(value, keys[key])
    return left


def problems(error: ValidationError, section: str = "") -> str:
    """What is wrong with settings, in one line: each wrong key, below `section`, and why."""
    lines = []
    for problem in error.errors():
        key = ".".join(filter(None, (section, *(str(part) for part in problem["loc"]))))
        if problem["type"] == "extra_forbidden":
            lines.append(f"`{key}` is not a setting (misspelt?)")
        else:
            # What one section requires of another has no key: its message names them.
            where = f"`{key}`: " if key else ""
            lines.append(where + problem["msg"].removeprefix("Value error, "))
    return "; ".join(lines)
