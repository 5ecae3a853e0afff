"""Memory: how much this process may use, and what to say when it runs out."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

from remodal.errors import OutOfMemory

#: Most memory, in MB, that a stage took for a case of 512 x 512 x 200 voxels in two modalities
#: (docs/benchmarks.md). Not measured: `train` and `infer` on a GPU, whose memory is another.
NEEDED = {
    "simulate": 1700,
    "convert": 160,
    "convert-label": 230,
    "register": 1800,
    "fingerprint": 340,
    "preprocess": 1050,
    "evaluate": 320,
}

#: Address space, in MB, below which numpy's libraries end the process themselves.
_LEAST_ADDRESSES = 400

_CGROUPS = Path("/sys/fs/cgroup")


class Limit(NamedTuple):
    """A limit on memory: how much, and what sets it."""

    megabytes: int
    kind: str

    def __str__(self) -> str:
        return f"{self.megabytes:,} MB ({self.kind})"


def memory_limit() -> Limit:
    """The tightest limit on this process: the shell's, its control group's, or the machine's."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [Limit(pages // 10**6, "the machine")]
    limits += [Limit(size // 10**6, "control group") for size in _control_group_limits()]
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY:
        limits.append(Limit(addresses // 10**6, "ulimit -v"))
    return min(limits, key=lambda limit: limit.megabytes)


def require_room_to_start() -> None:
    """Refuse an address space in which libraries would end the process without an exception.

    Raises:
        OutOfMemory: it is too small.
    """
    limit = memory_limit()
    if limit.kind == "ulimit -v" and limit.megabytes < _LEAST_ADDRESSES:
        raise OutOfMemory(
            f"the memory limit of {limit} is too small to start",
            expected=f"{_LEAST_ADDRESSES} MB at the least",
            remedy="raise it (`ulimit -v unlimited`)",
        )


def kills() -> int:
    """How often the kernel has killed a process of this control group for lack of memory."""
    found = 0
    for file in (_control_group("memory.events", 2), _control_group("memory.oom_control", 1)):
        for line in _read(file).splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                found = max(found, int(number))
    return found


def shortage(stage: str, said: str, peak: int) -> OutOfMemory:
    """The user's line for memory that ran out: limit, use, need and what to do.

    Args:
        stage: name of the command.
        said: what the library said about it, or what happened.
        peak: most memory that was in use, in MB.
    """
    if "CUDA" in said:
        return OutOfMemory(
            f"the GPU's memory ran out ({said})",
            where=stage,
            remedy=f"make {'compute.windows' if stage == 'infer' else 'recipe.batch'} or "
            "recipe.patch smaller, or use a larger GPU",
        )
    limit = memory_limit()
    needs = f"; a full-size case needs {NEEDED[stage]:,} MB" if stage in NEEDED else ""
    return OutOfMemory(
        f"memory ran out ({said}): {peak:,} MB were in use, the limit is {limit}{needs}",
        where=stage,
        remedy=remedy(stage),
    )


def remedy(stage: str) -> str:
    """How to get more memory."""
    limit = memory_limit()
    if limit.kind == "ulimit -v":
        return "raise the limit (`ulimit -v unlimited`)"
    if "SLURM_JOB_ID" in os.environ:
        rule = stage.replace("-", "_")
        return f"raise `mem_mb` of {rule} in slurm/profile.yaml"
    if limit.kind == "control group":
        return "raise the limit of the session or container"
    return "run fewer jobs side by side (`--cores`), or use a machine with more memory"


def _control_group_limits() -> list[int]:
    """Limits in bytes of this process's control group and of the groups that contain it."""
    found = []
    for name, version in (("memory.max", 2), ("memory.limit_in_bytes", 1)):
        file = _control_group(name, version)
        root = file and len(_CGROUPS.parts)
        for folder in file.parents if file else ():
            if len(folder.parts) < root:
                break
            said = _read(folder / name).strip()
            if said.isdigit() and int(said) < 2**60:  # version 1 writes a huge number for no limit
                found.append(int(said))
    return found


def _control_group(name: str, version: int) -> Path | None:
    """A file of this process's own control group; None where there is no such hierarchy."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if version == 2 and not controllers:
            return _CGROUPS / path.lstrip("/") / name
        if version == 1 and "memory" in controllers.split(","):
            return _CGROUPS / "memory" / path.lstrip("/") / name
    return None


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file else ""
    except OSError:
        return ""
