"""Pages and texts from Jinja templates, which lie beside the code that fills them."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def templates_in(folder: Path) -> Environment:
    """The templates of a folder.

    What a template `NAME.html.j2` shows is escaped, in one of another kind it is not. A name that
    is not given is an error, and a line that holds only a statement leaves none behind.

    Args:
        folder: where they lie.
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
