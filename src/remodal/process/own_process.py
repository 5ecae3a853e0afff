"""Compiled code that may crash, run in a process of its own."""

import faulthandler
import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from remodal.errors import EnvironmentProblem, RemodalError

#: Signals that a process causes itself when it crashes; others come from outside.
_CRASHES = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "abort",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "arithmetic error",
    signal.SIGILL: "illegal instruction",
}


class Crashed(Exception):
    """The process crashed; the text says how."""


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a copy of this process, and hand on what it returns or raises.

    The copy costs milliseconds, and whatever the function does to the process (random number
    generators, memory, threads) ends with it. Arguments are not copied; the result is pickled.

    Raises:
        Crashed: the function took its process down.
        MemoryError: it was killed outright, as the kernel does when memory runs out.
        EnvironmentProblem: it was ended from outside in another way.
        Exception: what the function raises.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        succeeded, answer = receiver.recv()
    except EOFError:
        process.join()
        number = -process.exitcode if process.exitcode else 0
        if number in _CRASHES:
            raise Crashed(_CRASHES[signal.Signals(number)]) from None
        if number == signal.SIGKILL:
            raise MemoryError("its process was killed, as the kernel does then") from None
        raise EnvironmentProblem(
            f"the process was ended (exit code {process.exitcode})",
            where=getattr(function, "__name__", "process"),
            remedy="run the same command again",
        ) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if succeeded:
        return answer
    raise answer


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple) -> None:
    faulthandler.disable()  # a crash is told by its signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        sender.send((True, function(*arguments)))
    except Exception as error:
        if not isinstance(error, RemodalError):
            error.add_note(f"In its own process:\n{traceback.format_exc()}")
        sender.send((False, error))
