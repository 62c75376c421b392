"""The jobs by what they do now, so that no turn of the daemon's loop takes longer the more jobs have ended or wait."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, TypeAlias

from spoold.core.job import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.supervisor.job import Job

_Rank: TypeAlias = tuple[int, float, str]


class Roster:
    """See the module. A job that is filed once is filed again by itself whenever it changes.

    Attributes:
        open: jobs that have not ended, or whose runner has not.
        running: jobs with a runner.
        after: queued jobs that wait for others.
        stirred: something changed since somebody set this back: there may be something to start, or to share anew.
        untold: the same, for whoever tells.
        ended: jobs that were open and are not any more, for whoever takes them from here.
    """

    def __init__(self) -> None:
        self.open: dict[str, Job] = {}
        self.running: dict[str, Job] = {}
        self.after: dict[str, Job] = {}
        self.stirred = True
        self.untold = True
        self.ended: list[Job] = []
        self._line: list[_Rank] = []
        self._ranks: dict[str, _Rank] = {}

    def file(self, job: Job) -> None:
        """Put the job where it belongs, and do so again whenever it changes."""
        job.moved = self.file
        self.stirred = self.untold = True
        name, live = job.name, job.runner is not None
        queued = job.state is JobState.QUEUED and not live
        if name in self.open and job.state.ended and not live:
            self.ended.append(job)
        _keep(self.open, job, here=live or not job.state.ended)
        _keep(self.running, job, here=live)
        _keep(self.after, job, here=queued and job.request is not None and bool(job.request.after))
        rank = (-(job.request.priority if job.request else 0), job.order, name) if queued else None
        before = self._ranks.get(name)
        if rank != before:
            if before is not None:
                del self._line[bisect_left(self._line, before)], self._ranks[name]
            if rank is not None:
                insort(self._line, rank)
                self._ranks[name] = rank

    def queued(self) -> Iterator[Job]:
        """Queued jobs, the one whose turn it is first; nothing may be filed meanwhile."""
        return (self.open[name] for _, _, name in self._line)

    def count_queued(self) -> int:
        """How many are queued."""
        return len(self._line)


def _keep(jobs: dict[str, Job], job: Job, *, here: bool) -> None:
    if here:
        jobs[job.name] = job
    else:
        jobs.pop(job.name, None)
