"""Every job of the spool, and what becomes of them.

It is the supervisor's memory, and all of it is rebuilt from jobs/ at a start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from time import time
from typing import Any, Protocol

from spoold.core.job import JobEvent, JobState
from spoold.core.manifest import Manifest
from spoold.core.schedule import Candidate
from spoold.errors import SpooldError
from spoold.spool import Spool
from spoold.supervisor import records
from spoold.supervisor.job import Job, Request
from spoold.supervisor.promote import finish_promotion, promote
from spoold.supervisor.roster import Roster
from spoold.system.files import fsync_dir


class Parser(Protocol):
    """Reads what a job's manifest asks for, and says how many workers it may get."""

    def request(self, job: Job, manifest: Manifest | None = None) -> Request:
        """What its manifest, read already or not, asks for; ManifestError or OSError if it can't be used."""

    def wanted(self, job: Job) -> int:
        """Workers."""


class Table:
    """The jobs by name.

    Attributes:
        roster: those that have not ended, by what they do.

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
        self._newest: dict[str, Job] = {}
        self.roster = Roster()

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def load_all(self) -> None:
        """Read every job; one that is damaged is said and shown as failed, and stops no other."""
        for name in self._spool.job_names():
            self._load(name)

    def _load(self, name: str, manifest: Manifest | None = None) -> Job:
        """Read a job; one that was made a moment ago, of this manifest, is whole and durable."""
        job = Job(self._spool.job(name))
        try:
            if manifest is None:
                finish_promotion(job.directory)
            job.load()
            if manifest is None and not job.state.ended:
                fsync_dir(job.directory.journal)  # a run whose beginning nobody synced is not to be lost under way
        except (SpooldError, OSError) as error:
            job.state, job.error = JobState.FAILED, str(error)
            self._say(f"job {name} can't be read: {error}")
            self._keep(job)
            return job
        self._keep(job)
        if job.next_waits and (job.state.ended or job.state is JobState.PAUSED):
            self.take_next(job)
            return self._jobs[name]
        if not job.state.ended:
            self._ask(job, manifest)
        return job

    def _keep(self, job: Job) -> None:
        """Have it, in the stead of the one of that name."""
        self._jobs[job.name] = job
        base = job.name.partition("@")[0]
        newest = self._newest.get(base)
        if "@" in job.name and (newest is None or newest.name == job.name or _age(newest) <= _age(job)):
            self._newest[base] = job
        self.roster.file(job)

    def _ask(self, job: Job, manifest: Manifest | None = None) -> None:
        """Learn what the manifest asks for; a job whose manifest can't be used any more fails with the reason."""
        try:
            job.request = self._parser.request(job, manifest)
        except (SpooldError, OSError) as error:
            self.fail(job, f"its manifest can't be used: {error}")
        else:
            job.changed()

    def find(self, name: str) -> Job | None:
        """The job of that name; without a run key, the newest run of that name."""
        return self._jobs.get(name) or self._newest.get(name)

    def accepted(self, name: str, manifest: Manifest | None) -> Job:
        """A manifest was taken for this job: the job is new, and this is its manifest; or its next.yaml was written."""
        job = self._jobs.get(name)
        if job is None:
            job = self._load(name, manifest)
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
        job.moved = None
        self._keep(fresh)
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
        job.changed()

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
        for job in list(self.roster.after.values()):
            if not job.leftover and job.request is not None:
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

    def candidates(self, now: float, places: int) -> list[Candidate]:
        """Jobs that run, and, of the queued ones that nothing holds back, those whose turn it is.

        Args:
            now: monotonic seconds.
            places: jobs that may run at once.
        """
        running = [self._candidate(job) for job in self.roster.running.values()]
        ready = (job for job in self.roster.queued() if self._is_ready(job, now))
        return running + [self._candidate(job) for job in islice(ready, max(0, places - len(running)))]

    def _is_ready(self, job: Job, now: float) -> bool:
        return job.request is not None and job.not_before <= now and self.blocked_by(job) is None

    def _candidate(self, job: Job) -> Candidate:
        running = job.runner is not None
        priority = job.request.priority if job.request else 0
        held = max(job.workers, job.granted) if running else 0
        return Candidate(job.name, priority, job.order, self._parser.wanted(job), held, running)


def _age(job: Job) -> tuple[float, str]:
    return job.order, job.name
