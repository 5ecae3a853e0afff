"""What the work runs on: nothing here changes a result, apart from rounding."""

from typing import Literal

from pydantic import Field

from remodal.settings.section import Section


class ComputeSettings(Section):
    """What the work runs on. It changes no result, so changing it makes nothing run again."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to train and to predict."
    )
    devices: int = Field(1, ge=1, description="GPUs of one node that train one model together.")
    threads: int = Field(8, ge=1, description="CPU threads of a training or inference job.")
    cache: Literal["auto", "device", "host", "disk"] = Field(
        "auto",
        description="Where the training volumes are held; `auto`: on the GPU if they fit, else in "
        "memory, else mapped from disk (on a CPU always so: the system caches files).",
    )
    compile: bool = Field(False, description="Compile the network (pays on a GPU).")
    checkpoint_every: int = Field(10, ge=1, description="Epochs between checkpoints.")
    first: list[str] = Field(
        default_factory=list,
        description="Methods whose training begins first: the longest ones, which would leave the "
        "other cores idle at the end.",
    )
    windows: int = Field(4, ge=1, description="Windows of a prediction evaluated together.")
