"""What a job asks Slurm for: what the profile says, more if that was too little, never too much.

Memory is doubled after a kill for memory, and time after a time-out, independently of each other; a
job that failed for another reason asks for the same again. A job that asked for more than its
partition grants would wait for ever, so it asks for no more than that.
"""

from dataclasses import dataclass

from remodal.cluster.slurm import Limits


@dataclass(frozen=True)
class Shortages:
    """How often a job had too little so far."""

    memory: int = 0
    time: int = 0


def fitted(asked: int | None, shortages: int, limit: int | None) -> int | None:
    """What to ask for: `asked`, doubled for each shortage, no more than the limit.

    Args:
        asked: by the profile, in MB or minutes; None where it says nothing.
        shortages: how often it was too little.
        limit: the most that is granted; None where there is no limit or it is not known.
    """
    if asked is None:
        return None
    wanted = asked * 2**shortages
    return wanted if limit is None else min(wanted, limit)


def request(
    memory: int | None, minutes: int | None, shortages: Shortages, limits: Limits
) -> dict[str, int]:
    """The resources `mem_mb` and `runtime` of a job's next submission; only those it asks for."""
    found = {
        "mem_mb": fitted(memory, shortages.memory, limits.memory),
        "runtime": fitted(minutes, shortages.time, limits.minutes),
    }
    return {name: value for name, value in found.items() if value is not None}
