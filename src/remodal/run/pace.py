"""How much longer a run will take, from what its jobs have taken and what they usually take."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remodal.results.files import read_json

#: Seconds of one job in the preset `demo`, on one core. Only their proportions count, and only
#: until a job of the stage has ended. A training is known by its own first epoch.
USUAL = {
    "simulate": 4.0,
    "convert": 0.8,
    "convert_label": 1.2,
    "register": 7.0,
    "split": 0.6,
    "plan_network": 1.5,
    "fingerprint": 1.5,
    "preprocess": 1.5,
    "inventory": 0.6,
    "infer": 9.0,
    "evaluate": 3.0,
    "tabulate": 6.0,
    "report": 15.0,
    "track": 12.0,
    "faults": 0.6,
}

#: Jobs that take no time: targets.
_TARGETS = frozenset({"all", "data", "prepared", "models", "predictions", "tables"})


@dataclass
class Job:
    """A running job: its rule, when it began, its threads and, for a training, its progress."""

    rule: str
    began: float
    threads: int = 1
    progress: Path | None = None


@dataclass
class Pace:
    """Times of a run's jobs.

    Attributes:
        counts: jobs to do, by rule.
        cores: of this machine that may be used; None where a cluster runs the jobs.
    """

    counts: dict[str, int]
    cores: int | None = None
    running: dict[int, Job] = field(default_factory=dict)
    taken: dict[str, list[float]] = field(default_factory=dict)

    def begin(self, number: int, job: Job) -> None:
        """A job begins, possibly again after a failure."""
        self.running[number] = job

    def end(self, number: int, now: float | None = None) -> Job | None:
        """A job has ended well."""
        job = self.running.pop(number, None)
        if job is not None:
            now = time.time() if now is None else now
            self.taken.setdefault(job.rule, []).append(now - job.began)
        return job

    def fail(self, number: int) -> None:
        """A job has ended in any other way: this says nothing about times."""
        self.running.pop(number, None)

    def done(self, rule: str) -> int:
        """Jobs of a rule that have ended."""
        return len(self.taken.get(rule, ()))

    def seconds_left(self, now: float | None = None) -> tuple[float, bool]:
        """Time until all is done, and whether it may be longer.

        The remaining work, each job counted at the mean of its stage, is shared out over the cores
        (on a cluster: over as many jobs as are running now). The result is no less than the longest
        job still needs. It may be longer while no training has ended an epoch, and on a cluster,
        where jobs wait in a queue.
        """
        now = time.time() if now is None else now
        work = longest = 0.0
        unknown = self.cores is None
        for rule, count in self.counts.items():
            left = count - self.done(rule)
            if rule in _TARGETS or left <= 0:
                continue
            usual = self._usual(rule)
            if usual is None:
                unknown = True
                continue
            began = [job for job in self.running.values() if job.rule == rule]
            rest = [max(0.0, usual - (now - job.began)) for job in began]
            waiting = max(0, left - len(began))
            threads = began[0].threads if began else 1
            work += (sum(rest) + waiting * usual) * min(threads, self.cores or threads)
            longest = max(longest, usual if waiting else max(rest, default=0.0))
        side_by_side = self.cores or sum(job.threads for job in self.running.values()) or 1
        return max(longest, work / side_by_side), unknown

    def _usual(self, rule: str) -> float | None:
        """Seconds of one job of a rule."""
        known = list(self.taken.get(rule, ()))
        if rule == "train":
            own = (_whole_training(job) for job in self.running.values() if job.rule == rule)
            known += [seconds for seconds in own if seconds is not None]
        if known:
            return sum(known) / len(known)
        return USUAL[rule] * self._slowness() if rule in USUAL else None

    def _slowness(self) -> float:
        """How many times longer than usual the jobs have taken so far."""
        usual = sum(USUAL[rule] * len(taken) for rule, taken in self.taken.items() if rule in USUAL)
        took = sum(sum(taken) for rule, taken in self.taken.items() if rule in USUAL)
        return took / usual if usual else 1.0


def _whole_training(job: Job) -> float | None:
    """Seconds of a whole training at the pace of its epochs; None before its first one."""
    try:
        said: Mapping = read_json(job.progress) if job.progress else {}
    except (OSError, ValueError):
        return None
    if not said.get("epoch"):
        return None
    return float(said["epochs"] * said["seconds_per_epoch"])
