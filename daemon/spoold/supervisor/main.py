"""The supervisor's loop: wait, look, decide, act, tell.

It runs no user code, reads no items and forks nothing: runners come from the zygote. What it knows of jobs stands in
their journals, so it can be killed at any moment and started again.
"""

from __future__ import annotations

import sched
import selectors
import signal
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic, sleep

from spoold.core.job import JobState
from spoold.core.messages import Order, Verb
from spoold.core.schedule import schedule
from spoold.errors import SpoolError
from spoold.supervisor.control import Controls
from spoold.supervisor.intake import Intake, Scan
from spoold.supervisor.job import Job
from spoold.supervisor.overseer import Overseer
from spoold.supervisor.pages import owed
from spoold.supervisor.setting import Setting
from spoold.supervisor.signals import Signals
from spoold.supervisor.status import Status
from spoold.supervisor.table import Table
from spoold.supervisor.telling import Telling
from spoold.supervisor.watcher import Watcher
from spoold.system import memory
from spoold.system.notify import Notifier

RESCAN = 30.0
RESCAN_UNWATCHED = 2.0
TELL = 1.0
TELL_SHARE = 10
"""After a change was told, the next is told no sooner than so many times what that took."""
EXTEND = 30
PATIENCE = 3.0
"""Seconds that a drained daemon gives those who are being told of the ends of jobs."""
CATCH_UP = 1000
"""Jobs that ended in earlier lives and are looked at for a page, the newest."""


class Supervisor:
    """The daemon, once its spool is locked and its zygote runs."""

    def __init__(self, setting: Setting, overseer: Overseer, notifier: Notifier, signals: Signals) -> None:
        self.setting = setting
        self.log = setting.log
        self.overseer = overseer
        self.notifier = notifier
        self.signals = signals
        self.table = Table(setting.spool, setting, self.log.error)
        overseer.table = self.table
        self.intake = Intake(setting.spool, setting.config.limits, workers=setting.config.max_workers)
        self.controls = Controls(setting, self.table, self.intake.control, self.intake.rejects)
        overseer.changed = self.note_change
        self.status = Status(setting.spool.status, setting.wanted)
        spool = setting.spool
        self.watcher = Watcher([spool.incoming, spool.control, spool.root], drops=self.intake.may_be_dropped)
        self.selector = overseer.selector
        self.timers = sched.scheduler(monotonic, sleep)
        self.telling = overseer.telling = Telling(setting, self.table, self.selector, self.timers)
        self.look_due = True
        self.look_again: sched.Event | None = None
        self.start_due: float | None = None
        self.tell_not_before = 0.0
        self.tell_due = False
        self.beating = False
        self.draining = False
        self.interrupted = False
        self.rejected = False

    # ------------------------------------------------------------------ the loop

    def run(self) -> int:
        """Until drained, or idle where that was asked for; the exit code."""
        self.begin()
        while not self.finished():
            for key, _ in self.selector.select(self.patience()):
                key.data()
            self.obey_signals()
            self.look()
            self.advance()
            self.note_ends()
            self.keep_beating()
            self.tell()
        return self.end()

    def patience(self) -> float | None:
        """Do what is due; seconds until there is something to do, none after anything was done: more may follow."""
        queue = self.timers.queue
        due = bool(queue) and queue[0].time <= monotonic()
        wait = self.timers.run(blocking=False)
        return 0 if due or self.look_due else wait

    def begin(self) -> None:
        """Recover, then take manifests."""
        self.intake.recover()
        self.table.load_all()
        self.overseer.meet_leftovers()
        self.catch_up()
        self.selector.register(self.signals, selectors.EVENT_READ, lambda: None)
        self.selector.register(self.watcher, selectors.EVENT_READ, self.on_drop)
        self.timers.enter(0, 1, self.rescan)
        self.beat()
        self.telling.begin()
        memory.let_go_of_code()
        self.notifier.send(READY=1)
        self.log.info(f"taking manifests from {self.setting.spool.incoming}")

    def finished(self) -> bool:
        """Whether there is nothing left to wait for."""
        if self.draining:
            return not self.overseer.busy() and self.telling.may_leave(PATIENCE)
        if not self.setting.until_idle or self.look_due or self.look_again is not None:
            return False
        if not self.idle() or self.overseer.pages.busy:
            return False
        return self.telling.may_leave(self.setting.config.notify.timeout)

    def idle(self) -> bool:
        """Nothing is queued, running or held; what waits for an absent or a paused job does not count."""
        roster = self.table.roster
        if roster.running or any(job.next_waits for job in self.table):
            return False
        return all(map(self.waits_in_vain, roster.queued())) and not self.controls.waiting

    def waits_in_vain(self, job: Job) -> bool:
        """Whether a queued job waits for one that is absent or paused or, over others, for itself."""
        met: set[str] = set()
        while (name := self.table.blocked_by(job)) is not None:
            other = self.table.find(name)
            if other is None or other.state is JobState.PAUSED or other.name in met:
                return True
            met.add(other.name)
            job = other
        return False

    def end(self) -> int:
        """Leave the spool in order."""
        self.notifier.send(STOPPING=1, STATUS="stopped")
        self.telling.end()
        self.watcher.stop()
        self.overseer.stop()
        with suppress(OSError):
            self.status.write(self.table.roster, running=False)
        bad = self.rejected or any(job.seen and job.state is not JobState.SUCCEEDED for job in self.table)
        return 1 if self.setting.until_idle and not self.draining and bad else 0

    # ------------------------------------------------------------------ signals

    def obey_signals(self) -> None:
        """TERM and INT drain; QUIT, or INT again, ends the drain at once; HUP reloads."""
        for number in self.signals.take():
            match number:
                case signal.SIGTERM:
                    self.drain()
                case signal.SIGINT:
                    self.drain()
                    if self.interrupted:
                        self.hurry()
                    self.interrupted = True
                case signal.SIGQUIT:
                    self.drain()
                    self.hurry()
                case signal.SIGHUP:
                    self.setting.reload()
                    for job in list(self.table.roster.open.values()):
                        job.changed()
                case _:
                    pass

    def drain(self) -> None:
        """Start nothing more; once is enough."""
        if self.draining:
            return
        self.draining = True
        self.log.info("draining: no new items start, items in flight finish")
        self.notifier.send(STOPPING=1, STATUS="draining", EXTEND_TIMEOUT_USEC=EXTEND * 1_000_000)
        self.overseer.drain()
        self.telling.drain()

    def hurry(self) -> None:
        """End the drain at once."""
        self.overseer.order_all(Order(Verb.NOW))
        self.telling.hurry()

    # ------------------------------------------------------------------ what was dropped

    def on_drop(self) -> None:
        """Something moved in a folder we watch."""
        self.intake.settled(self.watcher.drain())
        self.look_due = True

    def rescan(self) -> None:
        """Look, whether or not an event came; see that the watching threads live."""
        if not self.watcher.alive:
            self.watcher.restart()
            if self.watcher.problem:
                self.log.warning(self.watcher.problem)
        self.overseer.sweep()
        self.telling.tell(changed=False)
        self.look_due = True
        self.timers.enter(RESCAN if self.watcher.alive else RESCAN_UNWATCHED, 1, self.rescan)

    def look(self) -> None:
        """Take what is complete; a folder that can't be read is said and looked for again."""
        if not self.look_due or self.draining:
            return
        self.look_due = False
        now = monotonic()
        try:
            commands = self.controls.names()  # first: a manifest dropped before a command is then taken before it
            roster = self.table.roster
            scan = self.intake.scan(now, hurried=bool(roster.running) and roster.count_queued() > 0)
            self.take(scan)
            if not scan.more:
                self.note_rejected(self.controls.look(now, commands))
        except (OSError, SpoolError) as error:
            self.unhealthy(str(error), now)
            return
        self.look_due = self.look_due or scan.more
        self.look_at(
            min((due for due in (scan.again_at, self.controls.again_at(now)) if due is not None), default=None)
        )

    def take(self, scan: Scan) -> None:
        """Put what was accepted in the table, and tell of the rest."""
        self.telling.totals.drops["accepted"] += len(scan.accepted)
        for name in scan.accepted:
            self.log.info(f"accepted: job {name}")
            self.overseer.let_next_in(self.table.accepted(name, scan.new.get(name)))
        self.note_rejected(reason for _, reason in scan.rejected)
        for name in scan.ignored:
            self.log.info(f"left alone: {name}")
        for trouble in scan.trouble:
            self.log.error(f"tried again later: {trouble}")

    def note_rejected(self, reasons: Iterable[str]) -> None:
        """Something was dropped that can't be used."""
        for reason in reasons:
            self.rejected = True
            self.telling.totals.drops["rejected"] += 1
            self.log.warning(f"rejected: {reason}")

    def unhealthy(self, reason: str, now: float) -> None:
        """Nothing can be taken now: say so, and keep trying."""
        self.log.error(f"nothing can be taken: {reason}; mend it, it is tried again")
        self.notifier.send(STATUS=f"unhealthy: {reason}")
        self.look_at(now + RESCAN_UNWATCHED)

    def look_at(self, due: float | None) -> None:
        """Look again at that time, on the monotonic clock, if no event comes before."""
        if self.look_again is not None and self.look_again in self.timers.queue:
            self.timers.cancel(self.look_again)
        self.look_again = None if due is None else self.timers.enterabs(due, 3, self.note_drop)

    def note_drop(self) -> None:
        """It is time to look again."""
        self.look_due, self.look_again = True, None

    def note_change(self) -> None:
        """A runner confirmed an order or ended: a command may have waited for that."""
        self.look_due = self.look_due or self.controls.waiting

    # ------------------------------------------------------------------ jobs

    def advance(self) -> None:
        """Start what may start, share the workers; nothing to do while nothing changed."""
        roster = self.table.roster
        if self.draining or not roster.stirred:
            return
        roster.stirred = False
        self.table.settle_after()
        config = self.setting.config
        places = min(config.max_jobs, config.max_workers)
        decided = schedule(self.table.candidates(monotonic(), places), config.max_jobs, config.max_workers)
        for name, grant in decided.grants.items():
            job = roster.open[name]
            if name in decided.start:
                self.telling.notices.started(job)
                self.overseer.start(job, grant)
            elif job.granted != grant:
                self.overseer.grant(job, grant)
        due = self.overseer.next_start()
        if due is not None and due != self.start_due:
            self.timers.enterabs(due, 4, self.stir)
        self.start_due = due

    def note_ends(self) -> None:
        """See to what follows the end of a job."""
        ended = self.table.roster.ended
        while ended:
            job = ended.pop()
            self.telling.ended(job)
            if self.setting.config.pages:
                self.overseer.pages.ended(job.name)

    def catch_up(self) -> None:
        """An earlier daemon may have been killed before it got to the pages of the jobs that ended last."""
        if self.setting.config.pages:
            over = sorted(((job.finished, job.name) for job in self.table if job.finished), reverse=True)
            self.overseer.pages.catch_up(name for _, name in over[:CATCH_UP] if owed(self.setting.spool.job(name)))

    def stir(self) -> None:
        """A job that was put off may be started again."""
        self.table.roster.stirred = True

    # ------------------------------------------------------------------ telling

    def tell(self) -> None:
        """Tell every change of state at once; of thousands of jobs, as often as costs a small part of our time."""
        now = monotonic()
        if now < self.tell_not_before:
            if not self.tell_due:
                self.tell_due = True
                self.timers.enterabs(self.tell_not_before, 4, nothing)
            return
        self.tell_due = False
        if self.table.roster.untold:
            self.write_status(changed=True)
            self.tell_not_before = now + TELL_SHARE * (monotonic() - now)

    def keep_beating(self) -> None:
        """See that `beat` is called again while somebody waits for it; an idle daemon sleeps."""
        wanted = self.notifier.watchdog or self.draining or self.overseer.busy()
        if wanted and not self.beating:
            self.beating = True
            every = min(TELL, self.notifier.watchdog / 2) if self.notifier.watchdog else TELL
            self.timers.enter(every, 2, self.beat)

    def beat(self) -> None:
        """What is told in any case: the watchdog, and the status while anything runs."""
        self.beating = False
        self.keep_beating()
        self.notifier.send(WATCHDOG=1)
        if self.draining:
            self.notifier.send(EXTEND_TIMEOUT_USEC=EXTEND * 1_000_000)
        if self.overseer.busy():
            self.write_status()

    def write_status(self, *, changed: bool = False) -> None:
        """Write status.json; a full disk is no reason to stop. `changed`: some job is not as it was."""
        self.telling.tell(changed=changed)
        try:
            self.status.write(self.table.roster)
        except OSError as error:
            self.log.warning(f"{self.setting.spool.status} can't be written: {error}")
        running, queued = len(self.table.roster.running), self.table.roster.count_queued()
        self.notifier.send(STATUS=f"{'draining, ' if self.draining else ''}{running} running, {queued} queued")


def nothing() -> None:
    """A timer that only wakes the loop."""
