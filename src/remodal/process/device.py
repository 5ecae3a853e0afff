"""Device and number format that a process computes with."""

import torch

from remodal.errors import UserError


def choose_device(wanted: str) -> torch.device:
    """The device of a setting; `auto` is a GPU where there is one.

    Raises:
        UserError: a GPU is wanted and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise UserError(
            "no usable GPU on this machine",
            where="compute.device",
            remedy="set it to cpu or auto, or ask the scheduler for a GPU",
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def choose_precision(wanted: str, device: torch.device) -> str:
    """Number format of the network passes; `auto` is bf16 where a GPU has it, otherwise 32-bit."""
    if wanted != "auto":
        return wanted
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if fast else "32-true"
