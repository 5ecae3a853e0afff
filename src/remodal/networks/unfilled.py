"""Networks to be asked, not run: layers without memory for weights, and no weight drawn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

#: How weights are drawn. On tensors without memory these are written in Python, by modules whose
#: import takes longer than building all networks of a study.
_DRAWN = (torch.Tensor.normal_, torch.Tensor.uniform_)


@contextmanager
def unfilled() -> Iterator[None]:
    """What is built in this context has shapes only."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Tensors stay as they are where they would be filled with random numbers."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _DRAWN:
            return args[0]
        return func(*args, **(kwargs or {}))
