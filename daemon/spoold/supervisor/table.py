"""Every job of the spool, and what becomes of them.

It is the supervisor's memory, and all of it is rebuilt from jobs/ at a start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import time
from typing import Any, Protocol

from spoold.core.job import JobEvent, JobState
from spoold.core.schedule import Candidate
from spoold.errors import SpooldError
from spoold.spool import Spool
from spoold.supervisor import records
from spoold.supervisor.job import Job, Request
from spoold.supervisor.promote import finish_promotion, promote
from spoold.system.files import fsync_dir


class Parser(Protocol):
    """Reads what a job's manifest asks for, and says how many workers it may get."""

    def request(self, job: Job) -> Request:
        """What its manifest asks for; ManifestError or OSError if it can't be used."""

    def wanted(self, job: Job) -> int:
        """Workers."""


class Table:
    """The jobs by name.

    Args:
        spool: where they are.
        parser: reads a job's manifest.
        say: tells the log of a job that can't be used.
    """

    def __init__(self, spool: Spool, parser: Parser, say: Callable[[str], None]) -> None:
        self._spool = spool
        self._parser = parser
        self._say = say
        self._jobs: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def load_all(self) -> None:
        """Read every job; one that is damaged is said and shown as failed, and stops no other."""
        for name in self._spool.job_names():
            self._load(name)

    def _load(self, name: str) -> Job:
        job = Job(self._spool.job(name))
        self._jobs[name] = job
        try:
            finish_promotion(job.directory)
            job.load()
            if not job.state.ended:
                fsync_dir(job.directory.journal)  # a run whose beginning nobody synced is not to be lost under way
        except (SpooldError, OSError) as error:
            job.state, job.error = JobState.FAILED, str(error)
            self._say(f"job {name} can't be read: {error}")
            return job
        if job.next_waits and (job.state.ended or job.state is JobState.PAUSED):
            self.take_next(job)
            return self._jobs[name]
        if not job.state.ended:
            self._ask(job)
        return job

    def _ask(self, job: Job) -> None:
        """Learn what the manifest asks for; a job whose manifest can't be used any more fails with the reason."""
        try:
            job.request = self._parser.request(job)
        except (SpooldError, OSError) as error:
            self.fail(job, f"its manifest can't be used: {error}")

    def find(self, name: str) -> Job | None:
        """The job of that name; without a run key, the newest run of that name."""
        if name in self._jobs:
            return self._jobs[name]
        runs = [job for job in self._jobs.values() if job.name.startswith(f"{name}@")]
        return max(runs, key=lambda job: (job.order, job.name), default=None)

    def accepted(self, name: str) -> Job:
        """A manifest was taken for this job: it is new, or its next.yaml was put in place."""
        job = self._jobs.get(name)
        if job is None:
            job = self._load(name)
        else:
            job.next_waits = os.path.exists(job.directory.next)
        job.seen = True
        self.take_next(job)
        return job

    def take_next(self, job: Job) -> None:
        """Let a waiting manifest take effect, unless a runner is at work."""
        if not job.next_waits or job.runner is not None or job.leftover:
            return
        try:
            promote(job.directory)
            self._reload(job)
        except (SpooldError, OSError) as error:
            job.error = f"the new manifest can't take effect: {error}"
            self._say(f"job {job.name}: {job.error}")

    def rerun(self, job: Job, mode: str, control: dict[str, Any]) -> None:
        """Begin a new run with the same manifest.

        Raises:
            JournalError: it can't be recorded.
        """
        records.begin_run(job.directory, mode=mode, control=control)
        self._reload(job)

    def _reload(self, job: Job) -> None:
        fresh = Job(job.directory)
        fresh.load()
        fresh.seen = True
        self._jobs[job.name] = fresh
        self._ask(fresh)

    def reread(self, job: Job) -> None:
        """A leftover runner is gone: what it wrote last is where the job stands."""
        job.leftover, job.not_before, job.error = False, 0.0, None
        try:
            self._reload(job)
        except (SpooldError, OSError) as error:
            self.fail(job, f"its journal can't be read: {error}")
            return
        fresh = self._jobs[job.name]
        if fresh.state.ended or fresh.state is JobState.PAUSED:
            self.take_next(fresh)

    def fail(self, job: Job, reason: str) -> None:
        """The job can't go on; it has no runner."""
        self._end(job, JobEvent.FAILED, reason)

    def cancel(self, job: Job, reason: str) -> None:
        """A job without a runner is cancelled."""
        self._end(job, JobEvent.CANCELLED, reason)

    def _end(self, job: Job, event: JobEvent, reason: str) -> None:
        job.happened(event, reason)
        job.finished = time()
        try:
            records.append(job.directory, "finished", state=str(event), error=reason)
        except (SpooldError, OSError) as error:
            self._say(f"job {job.name}: {event} ({reason}), which can't be recorded: {error}")

    def pause(self, job: Job) -> None:
        """A queued job is paused."""
        records.append(job.directory, "paused", by="operator")
        job.happened(JobEvent.PAUSED)

    def paused(self, job: Job) -> None:
        """A running job's pause stands in its journal; items in flight finish."""
        if job.state is not JobState.PAUSED or job.error is not None:
            job.happened(JobEvent.PAUSED)

    def scale(self, job: Job, workers: int) -> None:
        """A job without a runner is to have so many workers from its next start."""
        records.append(job.directory, "scaled", workers=workers)
        job.wanted = workers

    def resolve(self, job: Job, item_id: str, outcome: str) -> None:
        """What an operator decided on an item in doubt of a job without a runner; it counts from its next start."""
        records.append(job.directory, "resolve", id=item_id, outcome=outcome)

    def resume(self, job: Job) -> None:
        """A paused job goes on."""
        records.append(job.directory, "resumed")
        job.happened(JobEvent.RESUMED)

    # ------------------------------------------------------------------ who waits for whom

    def settle_after(self) -> None:
        """Cancel queued jobs that wait for one that ended badly."""
        for job in self:
            if job.state is JobState.QUEUED and job.runner is None and not job.leftover and job.request is not None:
                for name in job.request.after:
                    other = self.find(name)
                    if other is not None and other.state in (JobState.FAILED, JobState.CANCELLED):
                        self.cancel(job, f"it was to run after {other.name}, which is {other.state}")
                        break

    def blocked_by(self, job: Job) -> str | None:
        """The first job that this one still waits for."""
        if job.request is not None:
            for name in job.request.after:
                other = self.find(name)
                if other is None or not other.state.ended:
                    return name
        return None

    def candidates(self, now: float) -> list[Candidate]:
        """Jobs that run, and queued ones that nothing holds back."""
        found = []
        for job in self._jobs.values():
            running = job.runner is not None
            ready = job.state is JobState.QUEUED and job.request is not None and job.not_before <= now
            if running or (ready and self.blocked_by(job) is None):
                priority = job.request.priority if job.request else 0
                held = max(job.workers, job.granted) if running else 0
                found.append(Candidate(job.name, priority, job.order, self._parser.wanted(job), held, running))
        return found
