"""config/README.md, written from the settings' models so that it cannot drift from them."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from remodal.settings import Settings

_HEAD = """# Settings

`config.yaml` names a study and a preset and may set any key below; `snakemake --config key=value`
sets it for one run, and `remodal settings --set section.key=value -o settings.yaml` writes a file
for running a stage by hand. A study (`studies/`) says what is done, a preset (`presets/`) how much
of it. The effective settings of a run are saved as `results/studies/<study>/settings.yaml`.

This page is made from the code: `remodal describe-settings -o config/README.md`.
"""


def reference(further: Mapping[str, type[BaseModel]]) -> str:
    """The page, in Markdown: for each key its type, default and meaning.

    Args:
        further: sections that are not part of `Settings`, by the key that holds them.
    """
    lines = [_HEAD]
    for title, model in _sections(further):
        lines += [f"\n## {title}\n", _first_line(model), ""]
        lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join(lines) + "\n"


def _sections(further: Mapping[str, type[BaseModel]]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every model below `Settings` and the further ones, named by the key that holds it."""
    pending: list[tuple[str, type[BaseModel]]] = [("top level", Settings), *further.items()]
    while pending:
        title, model = pending.pop(0)
        yield f"`{title}`" if model is not Settings else "Top level", model
        parent = "" if model is Settings else f"{title}."
        for name, field in model.model_fields.items():
            for inner in _models_of(field.annotation):
                pending.append((f"{parent}{name}", inner))


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        if not isinstance(argument, str):
            yield from _models_of(argument)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _row(name: str, field: FieldInfo) -> str:
    holds_models = next(_models_of(field.annotation), None)
    kind = "section" if holds_models else _type(field.annotation)
    meaning = field.description or (_first_line(holds_models) if holds_models else "")
    return f"| `{name}` | {kind} | {_default(field)} | {meaning} |".replace("\n", " ")


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return f"`{', '.join(map(repr, get_args(annotation)))}`"
    return f"`{_within_type(annotation)}`"


def _within_type(annotation: Any) -> str:
    """A type as a part of another: choices are joined by `or`, limits are left out."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _within_type(parts[0])
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, UnionType):
        return " or ".join(map(_within_type, parts))
    if parts:
        inner = ("..." if part is Ellipsis else _within_type(part) for part in parts)
        return f"{origin.__name__}[{', '.join(inner)}]"
    return {type(None): "None", Any: "Any"}.get(annotation) or annotation.__name__


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        value = field.get_default(call_default_factory=True)
        return "see its section" if isinstance(value, BaseModel) else f"`{value}`"
    if field.default is PydanticUndefined:
        return "required"
    return f"`{field.default!r}`"
