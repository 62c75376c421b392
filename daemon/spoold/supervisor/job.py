"""One job as the supervisor knows it.

Everything here but `runner` and the live counts can be read again from jobs/JOB; nothing sets `state` but `happened`
and `load`. Whoever files jobs by what they do is told of every change by `moved`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from spoold.core.job import JobEvent, JobState, advance
from spoold.core.messages import Counts
from spoold.journal.format import JobRecord
from spoold.spool import JobDir
from spoold.supervisor import records

if TYPE_CHECKING:
    from spoold.supervisor.runners import RunnerHandle


class Request(NamedTuple):
    """What the schedule has to know of a manifest; the rest is read again when the job starts."""

    workers: int | Literal["auto"]
    memory: int | None
    priority: int
    after: tuple[str, ...]


@dataclass(slots=True)
class Job:
    """A job's newest run.

    Attributes:
        directory: its paths.
        request: what its manifest asks of the schedule; None once it has ended.
        run: number of the run.
        mode: how the run came to be: drop, rerun, retry-failures or resolve.
        order: when it was accepted, epoch seconds; earlier first among equals.
        wanted: workers an operator asked for; None: as the manifest says.
        granted: workers it was told it may have.
        not_before: monotonic time before which no runner is started again.
        deaths: of runners in a row without progress.
        overrides: changes of the spec that a runner asked for.
        next_waits: a manifest waits as next.yaml.
        leftover: a runner of an earlier daemon still drains, and writes the journal; all this is read again when it
            is gone.
        seen: it was active in this daemon's life.
        moved: called when what the schedule or the status depends on has changed.
        told: its row as status.json last had it; None: to be made anew.
        estimate: about how many records its source has, while nobody knows.
    """

    directory: JobDir
    request: Request | None = None
    run: int = 1
    mode: str = "drop"
    order: float = 0.0
    wanted: int | None = None
    granted: int = 0
    not_before: float = 0.0
    deaths: int = 0
    overrides: dict[str, Any] = field(default_factory=dict)
    next_waits: bool = False
    leftover: bool = False
    seen: bool = False
    fresh: bool = True
    counts: Counts = field(default_factory=Counts)
    rate: float = 0.0
    estimate: int | None = None
    workers: int = 0
    started: float | None = None
    finished: float | None = None
    obeyed: tuple[int, int] | None = None
    owner: int | None = None
    moved: Callable[[Job], None] | None = None
    told: msgspec.Raw | None = None
    _state: JobState = JobState.QUEUED
    _error: str | None = None
    _runner: RunnerHandle | None = None

    @property
    def name(self) -> str:
        """JOB."""
        return self.directory.name

    @property
    def state(self) -> JobState:
        """See core.job."""
        return self._state

    @state.setter
    def state(self, state: JobState) -> None:
        self._state = state
        self.changed()

    @property
    def error(self) -> str | None:
        """Why it is paused, failed or cancelled, or what there is to say of a run that did nothing."""
        return self._error

    @error.setter
    def error(self, error: str | None) -> None:
        self._error = error
        self.changed()

    @property
    def runner(self) -> RunnerHandle | None:
        """Its process."""
        return self._runner

    @runner.setter
    def runner(self, runner: RunnerHandle | None) -> None:
        self._runner = runner
        self.changed()

    def changed(self) -> None:
        """Tell that something about the job is not as it was."""
        self.told = None
        if self.moved is not None:
            self.moved(self)

    def happened(self, event: JobEvent, error: str | None = None) -> None:
        """Go on to the state that `event` leads to.

        Raises:
            TransitionError: it can't happen now.
        """
        self.state = advance(self.state, event)
        self.error = error
        self.seen = True

    def load(self) -> None:
        """Read the newest run from the journal.

        Raises:
            JournalError: it can't be read.
        """
        header, found = records.read(self.directory)
        self.run = header.run
        self.state = records.state_of(found)
        if self.state is JobState.RUNNING:
            self.state = JobState.QUEUED  # the daemon was killed: the run goes on by itself
        self.fresh = not any(record.event == "started" for record in found) and header.run == 1
        accepted = records.last(found, "accepted")
        if accepted is not None:
            self._accepted(accepted)
        scaled = records.last(found, "scaled")
        self.wanted = scaled.fields.get("workers") if scaled else None
        started = next((record for record in found if record.event == "started"), None)
        self.started = started.t if started else None
        self._last_word(found)
        self.next_waits = os.path.exists(self.directory.next)

    def _accepted(self, record: JobRecord) -> None:
        fields = record.fields
        self.order = record.t
        self.mode = fields.get("mode", "drop")
        control = fields.get("control") or {}
        self.obeyed = (control["ino"], control["ctime_ns"]) if control else None
        self.owner = (fields.get("drop") or control).get("uid")

    def _last_word(self, found: list[JobRecord]) -> None:
        """Counts and error as the last record of a life has them."""
        for record in reversed(found):
            if record.fields.get("counts"):
                self.counts = msgspec.convert(record.fields["counts"], Counts)
                self.error = record.fields.get("error")
                self.finished = record.t if record.event == "finished" else None
                return
            if record.event in ("paused", "resumed", "accepted"):
                self.error = record.fields.get("error")
                return


def row(job: Job, wanted: int) -> dict[str, Any]:
    """What status shows of a job that asks for `wanted` workers."""
    counts = job.counts
    live = job.runner is not None
    rate = round(job.rate, 2) if live else None
    remaining, retrying = counts.remaining, 0 if job.state.ended else counts.retrying
    estimate = None
    if not job.state.ended and counts.total is None and job.estimate is not None:
        estimate = max(job.estimate, counts.settled + counts.in_flight + retrying)
    left, eta = remaining if estimate is None else estimate - counts.settled, None
    if live and left is not None and job.rate > 0 and (left > retrying or not retrying):
        eta = round(left / job.rate, 1)  # where all that is left waits, how quick the others were tells nothing
    return {
        "job": job.name,
        "state": str(job.state),
        **{name: getattr(counts, name) for name in counts.__struct_fields__},
        "total_estimate": estimate,
        "retrying": retrying,
        "remaining": remaining,
        "rate": rate,
        "eta_s": eta,
        "started": job.started,
        "finished": job.finished,
        "workers": {"now": job.workers if live else 0, "wanted": wanted},
        "error": job.error,
    }
