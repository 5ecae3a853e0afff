"""Masks of a structure: where they come from."""

from pydantic import Field, model_validator

from remodal.settings.section import Section


class MaskSettings(Section):
    """A mask: values of the case's own label, or what another study's model predicts.

    In `study`, `method` and `scenario`, `{modality}` stands for the image's modality.
    """

    label: list[int] = Field(
        default_factory=list,
        description="Values of the case's own label that are the mask. This uses the labels of "
        "test cases: the report says so.",
    )
    study: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_{}-]*$",
        description="Or the folder of a study whose predictions are the mask, such as "
        "`liver_region-{preset}`: `{preset}`, here as in any text, is the preset of the run. That "
        "study runs first. A case's mask is that of a model that did not train on its patient.",
    )
    method: str = Field("", description="Method of that study.")
    scenario: str = Field("", description="Scenario of that study.")
    seed: int = Field(0, ge=0, description="Training seed of that study.")
    classes: list[str] = Field(
        default_factory=list, description="Classes of that study; empty: all of them."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "MaskSettings":
        if bool(self.label) == bool(self.study):
            raise ValueError("a mask is either `label` (values) or `study` (with method, scenario)")
        if self.study and not (self.method and self.scenario):
            raise ValueError(f"a mask of study `{self.study}` needs `method` and `scenario`")
        return self

    def of(self, modality: str) -> "MaskSettings":
        """The mask of one image: `{modality}` replaced by its name."""
        named = {
            key: getattr(self, key).replace("{modality}", modality)
            for key in ("study", "method", "scenario")
        }
        return self.model_copy(update=named)
