"""A section of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def require_ranges(section: Section, *names: str) -> None:
    """Check settings that hold the least and the most of something.

    Raises:
        ValueError: with the first one whose least is negative or above its most.
    """
    for name in names:
        least, most = getattr(section, name)
        if not 0 <= least <= most:
            raise ValueError(f"{name}: the least, {least}, is negative or above {most}")
