"""Keeps the runners: starts them, hears them, and decides what their end means."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time

from spoold.core.job import JobEvent, JobState, TransitionError
from spoold.core.messages import Done, Ended, Figures, Held, Message, Order, Progress, Verb
from spoold.errors import ManifestError, SpooldError
from spoold.journal.mend import make_durable
from spoold.supervisor import records, runners
from spoold.supervisor.job import Job
from spoold.supervisor.pages import Pages
from spoold.supervisor.runners import Leftover, RunnerHandle
from spoold.supervisor.setting import Setting
from spoold.supervisor.table import Table
from spoold.supervisor.telling import Telling
from spoold.supervisor.zygote_client import ZygoteClient
from spoold.supervisor.zygote_wire import RunnerEnded, Started
from spoold.system import process

MOST_DEATHS = 5
"""Deaths of a job's runner in a row without progress, after which the job is failed."""
FIRST_DELAY = 0.1
LONGEST_DELAY = 30.0


class Overseer:
    """All runners of this daemon."""

    table: Table
    changed: Callable[[], None]
    telling: Telling

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.log = setting.log
        self.selector = selectors.DefaultSelector()
        self.zygote = ZygoteClient()
        self.selector.register(self.zygote, selectors.EVENT_READ, self.on_zygote)
        self.pages = Pages(setting.spool, self.selector, setting.log)
        self.draining = False
        self.late: list[Job] = []

    # ------------------------------------------------------------------ starting and ordering

    def start(self, job: Job, grant: int) -> None:
        """Start the job's runner with so many workers, or see to it that it is tried again."""
        if self.zygote.closed:
            self.new_zygote()
        try:
            handle = runners.start(job, self.setting.spec(job, grant), self.zygote)
        except ManifestError as error:
            self.table.fail(job, f"its manifest can't be used: {error}")
            return
        except Leftover as left:
            self.wait_for(job, left.pid)
            return
        except OSError as error:
            self.put_off(job, f"no runner can be started: {error}")
            return
        if handle is None:
            self.put_off(job, "the zygote takes no more requests now")
            return
        self.selector.register(handle.channel, selectors.EVENT_READ, lambda: self.on_runner(job))
        job.runner, job.granted, job.workers = handle, grant, 0
        job.happened(JobEvent.STARTED)
        job.started = job.started or time()
        job.rate = 0.0

    def meet_leftovers(self) -> None:
        """At the start: wait for runners that a killed daemon left, for they still write their journals."""
        for job in list(self.table.roster.open.values()):
            pid = runners.leftover(job)
            if pid is not None:
                self.wait_for(job, pid)

    def wait_for(self, job: Job, pid: int) -> None:
        """An earlier daemon's runner drains: leave the job alone until it is gone."""
        job.leftover, job.not_before, job.error = True, float("inf"), str(Leftover(pid))
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            self.table.reread(job)
            return

        def gone() -> None:
            self.selector.unregister(pidfd)
            os.close(pidfd)
            process.reap(pid)
            self.table.reread(job)
            self.changed()

        self.selector.register(pidfd, selectors.EVENT_READ, gone)

    def put_off(self, job: Job, reason: str) -> None:
        """Try to start it again later, the later the oftener it failed."""
        job.error = reason
        job.deaths += 1
        self.delay(job)
        self.log.warning(f"job {job.name}: {reason}")

    def delay(self, job: Job) -> None:
        """No runner of the job is started for a while, the longer the more of them died."""
        job.not_before = monotonic() + min(LONGEST_DELAY, FIRST_DELAY * 2**job.deaths)
        self.late.append(job)
        job.changed()

    def next_start(self) -> float | None:
        """When a job that was put off may be started again."""
        now = monotonic()
        self.late = [job for job in self.late if now < job.not_before < float("inf")]
        return min((job.not_before for job in self.late), default=None)

    def grant(self, job: Job, workers: int) -> None:
        """Tell a running job how many workers it may have from now on."""
        assert job.runner is not None
        job.granted = workers
        job.runner.order(Order(Verb.SCALE, workers=workers))

    def order_all(self, order: Order) -> None:
        """Tell every runner."""
        for job in self.table.roster.running.values():
            assert job.runner is not None
            job.runner.order(Order(order.verb))

    def drain(self) -> None:
        """Let every runner drain; none is started again."""
        self.draining = True
        self.order_all(Order(Verb.DRAIN))

    def busy(self) -> bool:
        """Whether any runner lives."""
        return bool(self.table.roster.running)

    def stop(self) -> None:
        """Let zygote and page maker end; no runner lives."""
        self.pages.stop()
        if not self.zygote.closed:
            self.selector.unregister(self.zygote)
            self.zygote.close()

    # ------------------------------------------------------------------ hearing

    def on_runner(self, job: Job) -> None:
        """A runner said something, or is gone."""
        handle = job.runner
        if handle is None:
            return
        for message in handle.messages():
            self.hear(job, handle, message)
        if handle.channel.closed:
            with suppress(KeyError, ValueError):
                self.selector.unregister(handle.channel)

    def hear(self, job: Job, handle: RunnerHandle, message: Message) -> None:
        """Take in one message."""
        match message:
            case Progress(counts, rate, workers, estimate):
                job.counts, job.rate, job.estimate = counts, rate, estimate
                if workers != job.workers:
                    job.workers = workers
                    job.changed()
                if counts.settled > handle.settled_at_start:
                    job.deaths = 0
            case Held(reason):
                job.happened(JobEvent.STARTED if reason is None else JobEvent.PAUSED, reason)
                self.let_next_in(job)
            case Done(ref):
                handle.confirm.pop(ref, lambda: None)()
                self.changed()
            case Ended():
                handle.last_word = message
            case Figures():
                self.telling.totals.add(handle.figures, message)
                handle.figures = message
            case _:
                pass

    def let_next_in(self, job: Job) -> None:
        """Where a job waits for what may never come, and a manifest for the job: that may mend it."""
        if job.next_waits and job.runner is not None and job.state is JobState.PAUSED and job.error is not None:
            job.runner.order(Order(Verb.PAUSE))

    def on_zygote(self) -> None:
        """The zygote told of a start or an end, or is gone itself."""
        for message in self.zygote.messages():
            match message:
                case Started(name, pid, error):
                    self.started(name, pid, error)
                case RunnerEnded(pid, status):
                    for job in list(self.table.roster.running.values()):
                        if job.runner is not None and job.runner.pid == pid:
                            self.ended(job, process.describe_status(status))
        if self.zygote.closed:
            self.replace_zygote()

    def started(self, name: str, pid: int, error: str | None) -> None:
        """The zygote forked a runner, or could not."""
        job = self.table.find(name)
        if job is None or job.runner is None:
            return
        if pid:
            job.runner.pid = pid
        else:
            self.ended(job, f"it could not be forked: {error}")

    def replace_zygote(self) -> None:
        """The zygote died: its runners are our children now and go on; a new one is executed."""
        self.log.warning("the zygote died; it is replaced")
        self.selector.unregister(self.zygote)
        self.zygote.close()
        for job in list(self.table.roster.running.values()):
            if job.runner is not None:
                self.adopt(job, job.runner)
        self.sweep()
        self.new_zygote()

    def new_zygote(self) -> None:
        """Execute a zygote; where no process can be had, the next job to start tries again."""
        try:
            self.zygote = ZygoteClient()
        except OSError as error:
            self.log.error(f"no zygote can be started: {error}")
        else:
            self.selector.register(self.zygote, selectors.EVENT_READ, self.on_zygote)

    def adopt(self, job: Job, handle: RunnerHandle) -> None:
        """Wait for a runner ourselves; one whose start was never told is gone as far as we know."""
        if handle.pidfd is not None:
            return  # it was adopted when an earlier zygote died
        pid = handle.pid
        if pid is None or pid not in process.children(os.getpid()):
            self.ended(job, "its zygote died", began=pid is not None)
            return
        pidfd = os.pidfd_open(pid)

        def gone() -> None:
            self.selector.unregister(pidfd)
            os.close(pidfd)
            _, status = os.waitpid(pid, 0)
            self.ended(job, process.describe_status(status))

        handle.pidfd = pidfd
        self.selector.register(pidfd, selectors.EVENT_READ, gone)

    # ------------------------------------------------------------------ ends

    def sweep(self) -> None:
        """Kill what runners that died have left to us: all our children but helpers and adopted runners."""
        keep = [self.zygote.pid, *self.pages.pids, *self.telling.notices.pids]
        keep += [job.runner.pid for job in self.table.roster.running.values() if job.runner and job.runner.pid]
        process.kill_and_reap_children(keep)

    def ended(self, job: Job, how: str, *, began: bool = True) -> None:
        """A runner is reaped, or never began: hear its last word, note its state, let what waited go on."""
        handle = job.runner
        if handle is None:
            return
        self.on_runner(job)
        with suppress(KeyError, ValueError):
            self.selector.unregister(handle.channel)
        handle.channel.close()
        job.workers, job.fresh, job.runner = 0, False, None
        self.sweep()
        word = handle.last_word
        if word is None or word.lost is not None:
            self.died(job, how if word is None else word.lost or how, began=began)
        else:
            self.said_goodbye(job, word)
        if not self.draining and (job.state.ended or job.state is JobState.PAUSED):
            self.table.take_next(job)
        self.changed()

    def said_goodbye(self, job: Job, word: Ended) -> None:
        """The runner ended by itself; what it said stands in the journal."""
        job.counts.in_flight = 0
        if word.again is not None:
            job.overrides |= word.again
            job.happened(JobEvent.DRAINED)
            return
        with suppress(TransitionError):  # a pause that the table knows already
            job.happened(JobEvent(word.event), word.error)
        job.error = word.error
        if job.state.ended:
            job.finished = time()
            why = f": {word.error}" if word.error else ""
            self.log.info(f"job {job.name} {job.state}: {job.counts.ok} ok, {job.counts.failed} failed{why}")
        elif job.state is JobState.PAUSED and word.error:
            self.log.warning(f"job {job.name} paused: {word.error}")

    def died(self, job: Job, how: str, *, began: bool) -> None:
        """The runner died without a word: it is started again, unless that leads nowhere."""
        job.deaths += began
        self.telling.totals.runner_deaths += began
        self.log.warning(f"the runner of {job.name} died: {how}")
        word = recorded_end(job)
        if word is not None:
            self.said_goodbye(job, word)
            return
        if job.state is JobState.PAUSED and job.error is None:
            return  # an operator's pause stands in the journal
        job.happened(JobEvent.DRAINED)
        if job.state is JobState.PAUSED:
            job.state = JobState.QUEUED  # it was held for want of room
        if job.deaths >= MOST_DEATHS:
            self.table.fail(job, f"its runner died {job.deaths} times without progress, at last: {how}; see job.log")
            return
        self.delay(job)


def recorded_end(job: Job) -> Ended | None:
    """The end that a runner put in the journal and was killed before it could tell; None if it had not ended."""
    found = Job(job.directory)
    try:
        make_durable(records.newest(job.directory).path)
        found.load()
    except (SpooldError, OSError):
        return None  # the next start of a runner will meet it again, and say so
    if not found.state.ended:
        return None
    job.counts = found.counts
    return Ended(str(found.state), found.error)
