"""Watching a toy method at work."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def seen(monkeypatch, kind: str, name: str, record: Callable) -> list[Any]:
    """Call `record(method)` after each call of a toy's function; gives what `record` returned."""
    toy = importlib.import_module(f"toys.{kind}").METHOD
    original, found = getattr(toy, name), []

    def recorded(self, *arguments):
        result = original(self, *arguments)
        found.append(record(self))
        return result

    monkeypatch.setattr(toy, name, recorded)
    return found


def copied(network: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
