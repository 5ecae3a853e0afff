"""A section of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
