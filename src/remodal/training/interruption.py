"""Signals that ask a training to stop: it saves its state first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from remodal.errors import CONTINUES, Preempted

#: Slurm warns with SIGTERM or SIGUSR1 before it takes a node back; SIGINT is Ctrl-C.
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@dataclass
class Interruption:
    """What was asked for, if anything."""

    received: signal.Signals | None = None

    @property
    def cause(self) -> str:
        """The signal's name; all processes of a training stop when one of them receives it."""
        return self.received.name if self.received else "a signal to another process"

    def leave(self, where: str) -> None:
        """End the training after its state was saved.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            Preempted: it was any other signal.
        """
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise Preempted(
            f"stopped by {self.cause} and saved",
            where=where,
            remedy=CONTINUES,
        )


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Take note of stop signals instead of being killed by them.

    Under Slurm, SIGTERM arrives twice within a second (from slurmd and from srun), so a second one
    means nothing new. A second Ctrl-C acts at once.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}

    def note(number: int, _frame: object) -> None:
        interruption.received = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
