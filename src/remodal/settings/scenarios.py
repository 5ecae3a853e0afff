"""What is present at inference: which images, whose, and which of them is segmented."""

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field, model_validator

from remodal.settings.names import require_known
from remodal.settings.section import Section


class ScenarioSettings(Section):
    """What is there at inference; `[t1, t2]` is short for images of the case itself."""

    present: list[str] = Field(min_length=1, description="The images that are there.")
    target: str = Field(
        "",
        description="The image that is segmented, where each image has a truth of its own "
        "(`data.truth: image`); empty: the only one, or the truth that all share.",
    )
    foreign: list[str] = Field(
        default_factory=list,
        description="Images of another patient: each test case is segmented with those of every "
        "test case of other patients in turn.",
    )
    register_foreign: bool = Field(
        False,
        description="Whether a foreign image is first laid with its centre on that of the case's "
        "fixed image and registered to it, as the study registers a case's own images.",
    )
    space: Literal["registered", "native"] = Field(
        "registered",
        description="`registered`: images as registration placed them, on one grid with the truth. "
        "`native`: one image as it was scanned, prepared by itself as `remodal predict` does it; "
        "the segmentation is carried onto the truth's grid by the case's stored registration.",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_of_present_images(cls, content: Any) -> Any:
        return {"present": content} if isinstance(content, list | tuple) else content

    @property
    def own(self) -> list[str]:
        """The images that come from the case itself."""
        return [name for name in self.present if name not in self.foreign]


def require_segmentable(
    name: str, scenario: ScenarioSettings, modalities: Collection[str], truth: str
) -> None:
    """Check that a scenario says which image is segmented, and that the case has it.

    Args:
        name: of the scenario.
        scenario: to check.
        modalities: of the study.
        truth: as in `data.truth`.

    Raises:
        ValueError: with the place and what is wrong.
    """
    where = f"scenarios.{name}"
    require_known(where, scenario.present, modalities)
    require_known(f"{where}.foreign", scenario.foreign, scenario.present)
    if not scenario.own:
        raise ValueError(f"{where}: every image is another patient's; leave one of the case itself")
    if scenario.register_foreign and not scenario.foreign:
        raise ValueError(f"{where}.register_foreign: no image is `foreign`; leave it out")
    if scenario.space == "native" and len(scenario.present) > 1:
        raise ValueError(
            f"{where}.space: in `native` space one image is present, and this scenario has "
            f"{', '.join(scenario.present)}; several are brought onto one grid by registration, "
            "which is what `registered` reads"
        )
    if truth != "image":
        if scenario.target:
            raise ValueError(
                f"{where}.target: the images of a case share one truth, so there is nothing to "
                "choose; leave it out, or set data.truth to `image`"
            )
        return
    if scenario.target:
        require_known(f"{where}.target", [scenario.target], scenario.own)
    elif len(scenario.own) > 1:
        raise ValueError(
            f"{where}: each image has a truth of its own; say which is segmented, such as "
            f"`target: {scenario.own[0]}`"
        )
