"""Errors a user can mend: one line that says what, where, what was expected and what to do."""

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `remodal` command, for scripts."""

    OK = 0
    INTERNAL = 1
    USER_ERROR = 2
    BAD_CASE = 3
    ENVIRONMENT = 4
    PREEMPTED = 75
    INTERRUPTED = 130


#: What a stage says last that was stopped after it saved: that is no failure.
CONTINUES = "the same command continues from there"


class RemodalError(Exception):
    """A problem with a clear line for its user; never shown with a traceback.

    Args:
        what: what is wrong.
        where: file, row, column, tag or setting.
        expected: what would have been right.
        remedy: what to do now.
    """

    exit_code = ExitCode.USER_ERROR

    def __init__(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        self.what, self.where, self.expected, self.remedy = what, where, expected, remedy
        parts = [f"{where}: {what}" if where else what]
        if expected:
            parts.append(f"expected {expected}")
        if remedy:
            parts.append(remedy)
        super().__init__("; ".join(" ".join(part.split()) for part in parts))


class UserError(RemodalError):
    """Wrong command, setting or sheet: nothing can go on until it is mended."""


class BadCase(RemodalError):
    """One case cannot be used: it is quarantined with this reason and the study goes on."""

    exit_code = ExitCode.BAD_CASE


class QuarantinedBefore(BadCase):
    """An earlier stage quarantined the case: its record says why, and stays what is shown."""

    def __init__(self, reason: str, *, stage: str, modality: str | None, fault: bool) -> None:
        super().__init__(reason)
        self.stage, self.modality, self.fault = stage, modality, fault


class FaultOfOurs(RemodalError):
    """Something in remodal went wrong, and was noted at the time: it is to be reported."""

    exit_code = ExitCode.INTERNAL


class EnvironmentProblem(RemodalError):
    """The machine refuses: a full disk, no write permission, a missing program."""

    exit_code = ExitCode.ENVIRONMENT


class OutOfMemory(EnvironmentProblem):
    """Memory ran out, of the process, its job, the machine or the GPU."""


class Interrupted(RemodalError):
    """Stopped by Ctrl-C, or by SIGTERM where that does not mean to save first."""

    exit_code = ExitCode.INTERRUPTED


class Preempted(RemodalError):
    """Stopped by a signal after saving: the same command continues from there."""

    exit_code = ExitCode.PREEMPTED


#: What libraries say in errors of their own: torch, ITK, C++, the dynamic loader, Python's threads.
_OUT_OF_MEMORY = (
    "allocate memory",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "MemoryAllocationError",
    "failed to map segment",
    "cannot map zero-fill",
    "can't start new thread",
    "Unable to allocate",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one that it came from, tells of a want of memory."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, MemoryError) or getattr(one, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(one, ImportError | RuntimeError | OSError | SystemError) and any(
            saying in str(one) for saying in _OUT_OF_MEMORY
        ):
            return True
        one = one.__cause__ or one.__context__
    return False


def concerns_one_case(error: Exception) -> bool:
    """Whether an exception says something of one case only: bad data, or a fault of ours in it.

    A mistake of the user, a want of memory and what the operating system refuses would meet every
    other case too. An OSError without a number is a library's word for a file that it cannot read.
    """
    if isinstance(error, BadCase):
        return True
    if isinstance(error, RemodalError) or ran_out_of_memory(error):
        return False
    if isinstance(error, OSError):
        return error.errno is None
    return "CUDA error" not in str(error)
