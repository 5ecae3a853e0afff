"""Snakemake's record of each output: the rule, parameters, code and inputs that it was made with.

Snakemake plans a job again if its output's record differs from the one it would get now. It keeps
one JSON file per output in `.snakemake/metadata`; only this module knows where and in which format.
"""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from remodal.errors import EnvironmentProblem, UserError
from remodal.results.files import read_json, write_text

#: `record_format_version` of the records that this module was written for.
FORMAT = 6

_SNAKEMAKE = Path(".snakemake")
_METADATA = _SNAKEMAKE / "metadata"

#: Fields that say nothing about how a result was made, or that name where the sources were.
_LEFT_OUT = ("shellcmd", "conda_env", "external_jobid", "job_hash")

_TIMES = ("starttime", "endtime")


def require_known_format() -> None:
    """Check that the installed Snakemake writes records in the format that this module knows.

    Raises:
        EnvironmentProblem: it writes others.
    """
    try:
        from snakemake.persistence import RECORD_FORMAT_VERSION as installed
    except ImportError:
        installed = None
    if installed != FORMAT:
        raise EnvironmentProblem(
            f"Snakemake's records have format {installed or 'unknown'}",
            where="the installed Snakemake",
            expected=f"format {FORMAT}, that of Snakemake 9.27",
            remedy="install the versions of envs/requirements.txt",
        )


def require_idle() -> None:
    """Check that Snakemake is not running here, and that no killed run still has to be continued.

    Raises:
        UserError: it is running, or there is such a run.
    """
    for folder, state in (("locks", "is running or was killed"), ("incomplete", "was killed")):
        if any(path.is_file() for path in (_SNAKEMAKE / folder).rglob("*")):
            raise UserError(
                f"Snakemake {state}: some results are not whole",
                where=str(_SNAKEMAKE / folder),
                remedy="let it finish, or run it again (after `snakemake --unlock` if it asks)",
            )


def read_record(output: str) -> dict[str, Any] | None:
    """The record of one output; None when there is none."""
    path = _file(output)
    return read_json(path) if path.is_file() else None


def all_records() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every output that Snakemake has made here, with its record, by path.

    Raises:
        UserError: a record of another format.
    """
    for output in sorted(recorded_outputs()):
        record = read_record(output) or {}
        if record.get("record_format_version") != FORMAT:
            raise UserError(
                f"its record has format {record.get('record_format_version')}",
                where=output,
                expected=f"format {FORMAT}, that of Snakemake 9.27",
                remedy="make it again with the Snakemake of envs/requirements.txt",
            )
        yield output, record


def shareable(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that Snakemake compares, without the paths that its command named."""
    return {key: None if key in _LEFT_OUT else value for key, value in record.items()}


def made_alike(one: dict[str, Any], other: dict[str, Any], renamed: str = "") -> bool:
    """Whether two records of an output differ only in when it was made, if at all.

    Args:
        one: a record.
        other: a later one.
        renamed: how a parameter of the first may begin in whose place the second has another.
    """
    one, other = _timeless(one), _timeless(other)
    gone = [text for text in one["params"] if text not in other["params"]]
    come = [text for text in other["params"] if text not in one["params"]]
    if renamed and len(gone) == len(come) == 1 and gone[0].strip("'\"").startswith(renamed):
        one = one | {"params": other["params"]}
    return one == other


def _timeless(record: dict[str, Any]) -> dict[str, Any]:
    left_out = (*_TIMES, *_LEFT_OUT)
    return {key: value for key, value in record.items() if key not in left_out}


def write_record(output: str, record: dict[str, Any]) -> None:
    """Make this the record of an output."""
    # Without this folder Snakemake thinks that an old version wrote the records.
    (_SNAKEMAKE / "incomplete").mkdir(parents=True, exist_ok=True)
    write_text(_file(output), json.dumps(record))


def replace_parameter(output: str, old_prefix: str, new: str) -> bool:
    """Replace the text parameters that begin with `old_prefix` in the record of an output.

    Returns:
        Whether there was one.
    """
    record = read_record(output)
    if record is None:
        return False
    # Snakemake stores the parameters' Python representations, sorted.
    changed = [
        repr(new) if one.strip("'\"").startswith(old_prefix) else one for one in record["params"]
    ]
    if changed == record["params"]:
        return False
    write_record(output, record | {"params": sorted(changed)})
    return True


def recorded_outputs() -> set[str]:
    """Every output that Snakemake has a record of."""
    found = set()
    for folder, _, names in os.walk(_METADATA):
        above = [part.removeprefix("@") for part in Path(folder).relative_to(_METADATA).parts]
        for name in names:
            if not name.startswith(".writing-"):
                found.add(urlsafe_b64decode("".join([*above, name])).decode())
    return found


def _file(output: str) -> Path:
    """Where Snakemake keeps the record: the path in base 64, cut to pieces that fit file names."""
    _METADATA.mkdir(parents=True, exist_ok=True)
    longest = (os.pathconf(_METADATA, "PC_NAME_MAX") or 255) - 1
    name = urlsafe_b64encode(output.encode()).decode()
    pieces = [name[at : at + longest] for at in range(0, len(name), longest)]
    return _METADATA.joinpath(*("@" + piece for piece in pieces[:-1]), pieces[-1])
