"""From config/ to the effective settings of a study, and reading and writing these.

A study file says what is done, a preset how much of it; the user's overrides come last. The
effective settings are saved beside the results and are what every stage reads.
"""

from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import ValidationError

from remodal.errors import UserError
from remodal.results.files import write_text
from remodal.results.paths import plan_file
from remodal.settings import Settings
from remodal.settings.merging import merge, problems, without
from remodal.settings.places import CONFIG, known_names, named_files, shipped_file
from remodal.settings.plan_file import (
    PlanFile,
    named_plan,
    plan_of,
    require_planned_unsaid,
    with_plan,
)
from remodal.settings.section import Section


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        UserError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError("cannot be read", where=str(path), expected="a YAML file") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a YAML mapping.

    Raises:
        UserError: not YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"is not valid YAML ({error})", where=where) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError("holds no mapping", where=where, expected="`key: value` lines")
    return content


def assignments(changes: list[str]) -> dict[str, Any]:
    """Nested settings of `section.key=value` texts; values are YAML.

    Raises:
        UserError: a text without `=`.
    """
    nested: dict[str, Any] = {}
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"`{change}` sets nothing", expected="`section.key=value`")
        content: Any = yaml.safe_load(value)
        for key in reversed(path.split(".")):
            content = {key: content}
        nested = merge(nested, content)
    return nested


def validated(content: dict[str, Any], where: str) -> Settings:
    """Check settings and fill in the defaults.

    Raises:
        UserError: one line for each wrong key.
    """
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise UserError(
            problems(error), where=where, remedy="see config/README.md for every key"
        ) from error


def compose(
    config: dict[str, Any], folder: Path = CONFIG, overrides: dict[str, Any] | None = None
) -> Settings:
    """Effective settings from config.yaml's content: study, then preset, then its own keys.

    A study says only what differs from the one it `extends`; `null` takes out a method, a table or
    any other part that has a name. A preset's numbers apply to every study; a study may change them
    under its `presets:` key. What these or config.yaml say about the recipe holds for every method,
    even if the method has its own recipe.

    Args:
        config: `study`, `preset` and any setting, as in config/config.yaml.
        folder: holds `studies/` and `presets/`; what it lacks may be among remodal's own.
        overrides: settings that have the last word, for example from the command line.

    Raises:
        UserError: unknown study or preset, or a wrong key.
    """
    config = merge(config, overrides or {})
    study = _study(folder, str(config.get("study", "")))
    preset_file = _named(folder, "presets", str(config.get("preset", "")))[0]
    of_preset = (study.pop("presets", None) or {}).get(config["preset"], {})
    content = study
    for where, layer in (
        (str(preset_file), read_yaml(preset_file)),
        (f"study `{config['study']}`, presets.{config['preset']}", of_preset),
        ("config.yaml or the command line", config),
    ):
        content = _on_top(_without_recipe(content, layer.get("recipe") or {}), layer, where)
    content = _with_files(_with_preset(_left(content), str(config["preset"])))
    content = _with_named_plan(content)
    return validated(content, f"study `{config['study']}`, preset `{config['preset']}`")


def _left(content: dict[str, Any], section: type[Section] = Settings) -> dict[str, Any]:
    """The content without the named parts that a later layer took out (`methods: {cct: null}`)."""
    left = dict(content)
    for name, field in section.model_fields.items():
        value, kind = content.get(name), field.annotation
        if not isinstance(value, dict):
            continue
        if get_origin(kind) is dict:
            left[name] = {key: part for key, part in value.items() if part is not None}
        elif isinstance(kind, type) and issubclass(kind, Section):
            left[name] = _left(value, kind)
    return left


def _with_preset(content: Any, preset: str) -> Any:
    """The content with the preset's name wherever a text says `{preset}`."""
    if isinstance(content, str):
        return content.replace("{preset}", preset)
    if isinstance(content, list):
        return [_with_preset(part, preset) for part in content]
    if isinstance(content, dict):
        return {key: _with_preset(part, preset) for key, part in content.items()}
    return content


def _without_recipe(content: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """The content, with what `recipe` says for all removed from the methods' own recipes."""
    methods = {
        name: method | {"recipe": without(method["recipe"], recipe)}
        if isinstance(method, dict) and isinstance(method.get("recipe"), dict)
        else method
        for name, method in (content.get("methods") or {}).items()
    }
    return content | {"methods": methods}


def _on_top(content: dict[str, Any], layer: dict[str, Any], where: str) -> dict[str, Any]:
    """A layer of settings on top of the content.

    Raises:
        UserError: the layer says what a plan says too.
    """
    content = merge(_without_plan(content, layer), layer)
    require_planned_unsaid(layer, content, where)
    return content


def _without_plan(content: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """The content without its plan, if the layer says the strides itself."""
    network, above = content.get("network"), layer.get("network")
    if not isinstance(above, dict) or "strides" not in above:
        return content
    left = without(network, {"plan": None}) if isinstance(network, dict) else {}
    return content | {"network": left}


def _with_named_plan(content: dict[str, Any]) -> dict[str, Any]:
    """The content with the plan of the file that `network.plan` names, if it names one.

    Raises:
        UserError: the file cannot be read, or is no plan.
    """
    named = named_plan(content)
    if named in ("", "auto"):
        return content
    return with_plan(content, read_plan(shipped_file(Path(named))), Path(named).name)


def read_plan(path: Path) -> PlanFile:
    """Read a plan file.

    Raises:
        UserError: it cannot be read, or is no plan.
    """
    return plan_of(read_yaml(path), str(path))


def _with_files(content: dict[str, Any]) -> dict[str, Any]:
    """The content with the files of remodal's own studies where they are."""
    for section, key in (("data", "sheet"), ("splits", "file")):
        part = content.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            content = content | {section: part | {key: str(shipped_file(Path(part[key])))}}
    return content


def _study(folder: Path, name: str, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A study's content, on top of the study that it extends.

    A study that extends one of its own name means remodal's.

    Args:
        folder: as for `compose`.
        name: of the study.
        extending: the files that extend it, directly or through others.
    """
    files = _named(folder, "studies", name)
    left = [path for path in files if path not in extending]
    if not left:
        raise UserError(
            "the study extends itself",
            where=str(files[0]),
            expected="another study, or none",
            remedy="change `extends`",
        )
    content = read_yaml(left[0])
    parent = content.pop("extends", None)
    below = _study(folder, parent, (*extending, left[0])) if parent else {}
    return _on_top(below, content, str(left[0]))


def names_in(folder: Path, kind: str) -> list[str]:
    """Names of all `studies` or `presets`: of a folder like config/, and remodal's own.

    Raises:
        UserError: there are none.
    """
    known = known_names(kind, folder)
    if not known:
        raise UserError(
            "there is no such folder here",
            where=str(folder / kind),
            expected="the project's folder as working directory",
            remedy="go there (`cd`) and run the same command again",
        )
    return known


def _named(folder: Path, kind: str, name: str) -> list[Path]:
    """The files of a study or preset, the one that counts first.

    Raises:
        UserError: there is none.
    """
    known = names_in(folder, kind)
    if name not in known:
        word = {"studies": "study", "presets": "preset"}[kind]
        raise UserError(
            f"unknown {word} `{name}`",
            where=str(folder / kind),
            expected=f"one of {', '.join(known)}",
        )
    return named_files(kind, f"{name}.yaml", folder)


def write_settings(path: Path, settings: Settings) -> None:
    """Save effective settings, with every default written out."""
    content = settings.model_dump(mode="json")
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def read_settings(path: Path) -> Settings:
    """Read effective settings, with the plan that was made for the study, if one was.

    Raises:
        UserError: missing file or wrong key.
    """
    settings = _as_composed(path)
    made = plan_file(path.parent)
    return planned(settings, read_plan(made)) if made.is_file() else settings


def _as_composed(path: Path) -> Settings:
    return validated(read_yaml(path), str(path))


def read_unplanned(path: Path) -> Settings:
    """Read effective settings of a study whose plan is to be made, whether one is there or not.

    Raises:
        UserError: missing file or wrong key, or the study wants no plan.
    """
    settings = _as_composed(path)
    if not settings.network.unplanned:
        raise UserError(
            "the study's network is not planned",
            where=str(path),
            expected="`network: auto`",
            remedy="say so in the study, or leave its network as it is",
        )
    return settings


def planned(settings: Settings, plan: PlanFile) -> Settings:
    """The settings with a plan, if one is wanted that they do not hold yet."""
    if not settings.network.unplanned:
        return settings
    content = with_plan(settings.model_dump(mode="json"), plan, plan_file(Path()).name)
    return validated(content, settings.study_id)


def read_planned(path: Path) -> Settings:
    """As `read_settings`, for a stage that needs the plan.

    Raises:
        UserError: no plan was made yet.
    """
    settings = read_settings(path)
    if settings.network.unplanned:
        raise UserError(
            "`network: auto`, and no plan was made yet",
            where=str(path),
            expected=str(plan_file(path.parent)),
            remedy="run `remodal plan-network` first",
        )
    return settings
