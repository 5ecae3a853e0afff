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


class EnvironmentProblem(RemodalError):
    """The machine refuses: a full disk, no write permission, a missing program."""

    exit_code = ExitCode.ENVIRONMENT


class Preempted(RemodalError):
    """Stopped by a signal after saving: the same command continues from there."""

    exit_code = ExitCode.PREEMPTED
