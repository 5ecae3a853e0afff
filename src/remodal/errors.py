"""Errors a user can mend: one line that says what, where, what was expected and what to do."""

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


class Preempted(RemodalError):
    """Stopped by a signal after saving: the same command continues from there."""

    exit_code = ExitCode.PREEMPTED


#: What compiled libraries say in a plain RuntimeError of a machine that cannot go on.
_OF_THE_MACHINE = ("bad_alloc", "allocate memory", "out of memory", "CUDA error")


def concerns_one_case(error: Exception) -> bool:
    """Whether an exception says something of one case only: bad data, or a fault of ours in it.

    A mistake of the user, a want of memory and what the operating system refuses would meet every
    other case too. An OSError without a number is a library's word for a file that it cannot read.
    """
    if isinstance(error, BadCase):
        return True
    if isinstance(error, OSError):
        return error.errno is None
    if isinstance(error, (RemodalError, MemoryError)):
        return False
    return not any(words in str(error) for words in _OF_THE_MACHINE)
