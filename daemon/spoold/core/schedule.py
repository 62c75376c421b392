"""Which queued jobs start, and how many workers each running job may have.

Invariants (tests/property): the grants never sum to more than `max_workers`; every running job has at least one; a
running job of higher priority is never short while one of lower priority has more than its one; running jobs of one
priority differ by at most one worker unless one of them wants no more. A job that starts has at first only what is
free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that runs or could.

    Attributes:
        name: the job.
        priority: higher first.
        order: earlier first among equals.
        wanted: workers it asks for.
        now: workers it has, or may take at any moment (0 while queued).
        running: whether it has a runner.
    """

    name: str
    priority: int
    order: float
    wanted: int
    now: int
    running: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to do: jobs to start, in order, and how many workers each running or starting job may have."""

    start: tuple[str, ...]
    grants: dict[str, int]


def schedule(jobs: Sequence[Candidate], max_jobs: int, max_workers: int) -> Schedule:
    """Decide who starts and who gets how much.

    A queued job starts when a place and at least one worker are free now; if none is, the others' grants make room
    for it.
    """
    running = [job for job in jobs if job.running]
    queued = sorted((job for job in jobs if not job.running), key=_rank)
    places = min(max_jobs, max_workers) - len(running)
    chosen = queued[: max(0, places)]
    grants = share([*running, *chosen], max_workers)
    free = max_workers - sum(max(job.now, 1) for job in running)
    start: list[str] = []
    for job in chosen:
        if free < 1:
            break
        start.append(job.name)
        first = min(grants[job.name], free)
        free -= first
        grants[job.name] = first
    for job in sorted(running, key=_rank):  # a growing job waits for what a shrinking one has not given back yet
        if grants[job.name] > job.now:
            grown = min(grants[job.name], max(job.now, 1) + max(free, 0))
            free -= grown - max(job.now, 1)
            grants[job.name] = grown
    started = {*start, *(job.name for job in running)}
    return Schedule(tuple(start), {name: grant for name, grant in grants.items() if name in started})


def share(jobs: Iterable[Candidate], max_workers: int) -> dict[str, int]:
    """One worker each, then by priority, evenly among equals, up to what each wants."""
    ordered = sorted(jobs, key=_rank)
    grants = {job.name: 1 for job in ordered}
    left = max_workers - len(ordered)
    for priority in sorted({job.priority for job in ordered}, reverse=True):
        tier = [job for job in ordered if job.priority == priority]
        while left > 0:
            hungry = [job for job in tier if grants[job.name] < job.wanted]
            if not hungry:
                break
            for job in hungry[:left]:
                grants[job.name] += 1
            left -= min(left, len(hungry))
    return grants


def _rank(job: Candidate) -> tuple[int, float, str]:
    return -job.priority, job.order, job.name
