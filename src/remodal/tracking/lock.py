"""One merge at a time: a lock that dies with its holder."""

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remodal.errors import EnvironmentProblem

_BETWEEN_TRIES = 0.2


@contextmanager
def locked(path: Path, patience: float = 600.0) -> Iterator[None]:
    """Hold a lock file; wait for whoever holds it.

    The operating system frees the lock when its holder ends, however it ends; the file that stays
    behind means nothing. On a file system without locks a warning is given and no lock is held.

    Args:
        path: the lock file, made if need be.
        patience: seconds to wait.

    Raises:
        EnvironmentProblem: still held after that time.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EnvironmentProblem(
                        "another merge holds this lock",
                        where=str(path),
                        remedy="wait for it to end, then run the same command again",
                    ) from None
                time.sleep(_BETWEEN_TRIES)
            except OSError as error:
                print(f"remodal: {path}: no locks on this disk ({error.strerror})", file=sys.stderr)
                break
        yield
