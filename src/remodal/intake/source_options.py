"""Options of a data source, where it has any: `data.options.<source>`.

The module of such a source (intake/datasets, or another package's) holds a model `Options` beside
its `cases`. Light, since the Snakefile imports it.
"""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from remodal.errors import UserError
from remodal.extensions import OURS
from remodal.intake.datasets import data_source, sources
from remodal.settings.merging import problems
from remodal.settings.section import Section

if TYPE_CHECKING:
    from remodal.settings import Settings


def source_options(settings: "Settings", source: str) -> Section:
    """The options of a data source, checked and completed.

    Raises:
        UserError: there is no such source, it has no options, or what is wrong with each of them.
    """
    where = f"data.options.{source}"
    model = getattr(data_source(source, where), "Options", None)
    if model is None:
        raise UserError(f"`{source}` has no options", where=where, expected="none")
    try:
        return model.model_validate(settings.data.options.get(source, {}))
    except ValidationError as error:
        raise UserError(problems(error, where)) from error


def options_of_sources() -> dict[str, type[Section]]:
    """The model of the options of each of remodal's own sources, by the key that holds them."""
    ours = [name for name, source in sources().items() if source.origin == OURS]
    found = {name: vars(data_source(name)).get("Options") for name in ours}
    return {f"data.options.{name}": model for name, model in found.items() if model}
