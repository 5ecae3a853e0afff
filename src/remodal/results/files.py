"""Files that are either complete or absent: written under a temporary name, then renamed."""

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remodal.errors import EnvironmentProblem

_REFUSALS = {
    errno.ENOSPC: ("the disk is full", "free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the same command again"),
    errno.EACCES: ("no permission to write", "make the folder writable or choose another"),
    errno.EPERM: ("no permission to write", "make the folder writable or choose another"),
    errno.EROFS: ("the file system is read-only", "choose a folder on a writable disk"),
    errno.EEXIST: ("a file stands where a folder should be", "move it away"),
    errno.ENOTDIR: ("a file stands where a folder should be", "move it away"),
}


def explain(error: OSError, path: Path) -> Exception:
    """The user's line if the operating system refused something; otherwise the error itself."""
    if error.errno not in _REFUSALS:
        return error
    what, remedy = _REFUSALS[error.errno]
    return EnvironmentProblem(what, where=str(path), remedy=remedy)


def require_writable(folder: Path) -> None:
    """Check that files can be written into a folder, or into the one that it would be made in.

    Raises:
        EnvironmentProblem: full disk, no permission or read-only file system.
    """
    present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=present):
            pass
    except OSError as error:
        raise explain(error, folder) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary name keeps all suffixes of `path`, since image writers choose a format by them.
    A second writer of the same output does no harm: the last rename wins, with a complete file.

    Raises:
        EnvironmentProblem: full disk, no permission or read-only file system.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix="-" + path.name)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def removed_if_unfinished(folder: Path) -> Iterator[None]:
    """Remove a folder if what writes it does not come to its end, by an error or by Ctrl-C."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON atomically, so that equal content gives equal bytes.

    Raises:
        ValueError: the content holds NaN or infinity, which JSON cannot express; use None.
    """
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as CSV atomically; a cell that a row lacks is left empty.

    Raises:
        ValueError: a row has a cell of no column.
        EnvironmentProblem: full disk, no permission.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Give `target` the content of `source`, by a hard link if the file system allows it."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
