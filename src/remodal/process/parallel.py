"""Work in processes of its own, with a progress bar; no processes where one worker suffices."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from remodal.process.progress import progress

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_parallel(
    work: Callable[[Given], Made], items: Sequence[Given], workers: int, description: str
) -> Iterator[Made]:
    """What `work` makes of each item, in their order.

    Work that waits is dropped if the caller stops, as at Ctrl-C.
    """
    if workers == 1 or len(items) <= 1:
        yield from progress(map(work, items), description, total=len(items))
        return
    with ProcessPoolExecutor(
        min(workers, len(items)), initializer=_leave_stopping_to_caller
    ) as pool:
        try:
            yield from progress(pool.map(work, items), description, total=len(items))
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_stopping_to_caller() -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes: each would print a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
