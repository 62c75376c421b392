"""What the daemon tells others than its spool: Prometheus its numbers, somebody the ends of jobs."""

from __future__ import annotations

import sched
import selectors
from collections import Counter
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from spoold.core.job import JobState
from spoold.supervisor.config import Notify
from spoold.supervisor.job import Job, row
from spoold.supervisor.notices import Notices
from spoold.supervisor.setting import Setting
from spoold.supervisor.status import VERSION
from spoold.supervisor.table import Table
from spoold.supervisor.totals import Totals

if TYPE_CHECKING:
    from spoold.supervisor.metrics import Metrics

RECENT: Final = 20
"""Jobs that ended last and keep numbers of their own."""
COUNT_SHARE: Final = 50
"""Thousands of jobs are counted again no sooner than after so many times what that took."""


class Telling:
    """See the module.

    Attributes:
        totals: what happened since the daemon began.
        notices: the ends that somebody is to be told.

    Args:
        setting: who wants to know what.
        table: the jobs.
        selector: of the daemon's loop.
        timers: of it.
    """

    def __init__(
        self, setting: Setting, table: Table, selector: selectors.BaseSelector, timers: sched.scheduler
    ) -> None:
        self._setting = setting
        self._table = table
        self._timers = timers
        self._began = time()
        self._draining_since: float | None = None
        self._leave_at: float | None = None
        self._recent: dict[str, Job] = {}
        self._states: Counter[str] = Counter()
        self._count_again = 0.0
        self._metrics: Metrics | None = None
        self.totals = Totals()
        self.notices = Notices(self._wanted, setting.spool.root, selector, timers, setting.log, self.totals)

    def _wanted(self) -> Notify:
        return self._setting.config.notify

    def begin(self) -> None:
        """The jobs are known: tell of ends that an earlier daemon may not have told."""
        settings = self._setting.config.metrics
        if settings.textfile is not None or settings.port is not None:
            from spoold.supervisor.metrics import Metrics  # noqa: PLC0415 - its library takes memory

            self._metrics = Metrics(settings, self.totals, self._setting.log.warning)
        for job in self._table if self.notices.wanted else ():
            if job.state.ended:
                self.notices.found(job)
        self.tell(changed=True)

    # ------------------------------------------------------------------ what happens

    def ended(self, job: Job) -> None:
        """A run has ended."""
        self._recent.pop(job.name, None)
        self._recent[job.name] = job
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        self.totals.ends[str(job.state)] += 1
        self.notices.ended(job)

    def drain(self) -> None:
        """The daemon begins to drain."""
        self._draining_since = monotonic()

    def hurry(self) -> None:
        """Wait for nobody."""
        self._leave_at = 0.0

    def may_leave(self, patience: float) -> bool:
        """Whether nobody is left to be told, or has been waited for long enough by a daemon with nothing else to do."""
        if not self.notices.pending():
            return True
        if self._leave_at is None:
            self._leave_at = monotonic() + patience
            self._timers.enterabs(self._leave_at, 4, lambda: None)  # wakes the loop
        return monotonic() >= self._leave_at

    # ------------------------------------------------------------------ numbers

    def tell(self, *, changed: bool, running: bool = True) -> None:
        """Put the numbers together, if anybody wants them.

        Args:
            changed: a job is not in the state it was in.
            running: the daemon goes on.
        """
        if self._metrics is None:
            return
        from spoold.supervisor.metrics import Picture  # noqa: PLC0415 - as above

        live = [job for job in self._table.roster.open.values() if job.state is not JobState.QUEUED]
        live.sort(key=lambda job: job.runner is None)
        names = {job.name for job in live}
        over = [job for name, job in reversed(self._recent.items()) if name not in names]
        rows = [row(job, 0 if job.state.ended else self._setting.wanted(job)) for job in [*live, *over]]
        drained = 0.0 if self._draining_since is None else monotonic() - self._draining_since
        picture = Picture(VERSION, self._began, self._counted(), rows, drained, running=running)
        self._metrics.tell(picture, changed=changed or not running)

    def _counted(self) -> Counter[str]:
        """Jobs by state."""
        now = monotonic()
        if now >= self._count_again:
            self._states = Counter(str(job.state) for job in self._table)
            self._count_again = now + COUNT_SHARE * (monotonic() - now)
        return self._states

    def end(self) -> None:
        """The daemon ends: say so, and leave the rest to the next one."""
        self.notices.leave()
        self.tell(changed=True, running=False)
        if self._metrics is not None:
            self._metrics.close()
