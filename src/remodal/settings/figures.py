"""Pictures of the report that a study may ask for."""

from pydantic import Field

from remodal.settings.section import Section


class SurfaceSettings(Section):
    """Surfaces of a case: of the truth, and as each method of a table segments it."""

    table: str = Field(description="Key of `tables`: each of its methods has a picture.")
    scenario: str = Field(
        "", description="Key of `scenarios`; may be empty for a table of only one scenario."
    )
    region: str = Field("", description="Key of `data.regions`; empty: the first.")


class FigureSettings(Section):
    """Pictures that are not of every study."""

    surfaces: list[SurfaceSettings] = Field(
        default_factory=list, description="Surfaces that are shown in 3-D; none by default."
    )
