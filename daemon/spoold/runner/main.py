"""The runner of one job: wait, decide, commit, act.

`core.book.decide` says what follows from each thing that happens; this shell writes the records, then acts. It holds
the job's lock for as long as it lives, and leaves no process behind.
"""

from __future__ import annotations

import sched
import selectors
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any

import msgspec

from spoold.core import book as b
from spoold.core.chunk import Chunk, Past
from spoold.core.ending import RetryError
from spoold.core.failures import FailureCount
from spoold.core.job import JobEvent
from spoold.core.pace import SHORT, Pace
from spoold.core.rate import Rate
from spoold.core.spec import JobSpec
from spoold.engines.base import Engine
from spoold.journal.failure import SegmentFull
from spoold.journal.folder import segment_name
from spoold.journal.format import FINAL
from spoold.journal.history import History
from spoold.registry import make_engine
from spoold.runner.begin import Beginning, lives, quiet
from spoold.runner.company import Company
from spoold.runner.feeder import Feeder
from spoold.runner.figures import EVERY as FIGURES_EVERY
from spoold.runner.figures import Gatherer
from spoold.runner.held import HeldRecords
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.news import News
from spoold.runner.orders import Orders, Stopped
from spoold.runner.resolve import resolve
from spoold.runner.room import Room
from spoold.runner.standing import Standing
from spoold.runner.store import KeeperGone
from spoold.runner.unfinished import Unfinished
from spoold.runner.window import EVERY, Window
from spoold.spool import JobDir
from spoold.worker.outcome import capped_item, clean

REPORT_EVERY = 0.25
SPAWN_AGAIN = 1.0
LEAST_TICK = 0.005


class Runner:
    """One life of one run."""

    def __init__(
        self, spec: JobSpec, ledger: Ledger, beginning: Beginning, orders: Orders, log: JobLog, company: Company
    ) -> None:
        plan, history = beginning.plan, ledger.history
        deaths = {n: attempt.deaths for n, attempt in history.open.items() if attempt.deaths}
        self.spec = spec
        self.ledger = ledger
        self.log = log
        self.company = company
        self.source = beginning.source.describe()
        self.changed = beginning.changed
        self.timers = sched.scheduler(monotonic, lambda _: None)  # it is only asked what is due
        self.selector = selectors.DefaultSelector()
        self.engine: Engine = make_engine(
            spec, self, self.selector, company.lock, ledger.segment_of, company.aides.pids
        )
        journal, now = f"{spec.directory}/journal", monotonic()
        self.unfinished = Unfinished(history, journal, beginning.doubtful, time(), now)
        self.book = b.Book(
            wanted=spec.granted,
            poison=spec.poison,
            lanes=spec.concurrency,
            batch=spec.batch,
            policy=spec.retry,
            recycle=spec.recycle,
            failures=_failures(spec, history),
            rate=Rate(spec.rate, now - quiet(history, time()), began_before=lives(history) > 1),
            deaths=deaths,
            upcoming=plan.upcoming(),
            pace=Pace(SHORT, deep=False) if company.mirror is not None and company.mirror.shared else Pace(),
        )
        if (held := self.unfinished.held_until()) is not None:
            self.book.rate.hold(held)
        self.standing = Standing(history, total=plan.total, duplicates=plan.duplicates, passed=len(beginning.passed))
        if plan.total is None:
            self.standing.sized(beginning.reading.size())
        self.feeder = Feeder(plan, self.book, ledger, self.standing, log, self.unfinished)
        self.events: deque[b.Event] = deque([b.Look()])
        self.orders = orders
        self.mirror = company.mirror
        self.reading = beginning.reading
        self.room = Room(self.orders, log)
        self.broken_by: str | None = None
        self.held = HeldRecords(self.room, self.later, self.engine.room)
        self.news = News(self.book, self.standing, self.orders, log)
        self.figures = Gatherer(history.tally, journal, history.run) if spec.metrics else None
        self.window = Window(JobDir(spec.job, spec.directory), self.engine)
        # a record is seen to be unsynced at one tick and synced at the next: two ticks make one window
        self.sync_every = max(spec.sync / 2, LEAST_TICK)

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until every item is settled, or the run is told to stop.

        Raises:
            Stopped: nothing more can be recorded.
        """
        self.ledger.on_full, self.ledger.on_room = self.room.wait, self.room.found
        self.orders.obey(self)
        if not self.orders.channel.closed:
            self.selector.register(self.orders.channel, selectors.EVENT_READ, lambda _: self.take_orders())
        self.reading.watch(self.selector, self.feeder.hear)
        if self.mirror is not None:
            self.mirror.watch(self.selector, self.hear_store)
        for due in (self.sync, self.watch, self.report, self.show, self.log_progress, self.tell_figures):
            due()
        while not self.book.ended:
            self.advance()
            for key, mask in self.selector.select(self.patience()):
                key.data(mask)
            if not self.events and self.is_due():
                self.events.append(b.Look())
        self.news.tell()
        self.tell_figures()
        self.window.close()

    def patience(self) -> float | None:
        """Seconds until there is something to do though nothing happens."""
        wait = self.timers.run(blocking=False)
        if self.feeder.more or self.events:
            return 0
        wake = self.book.wake_at()
        if wake is None:
            return wait
        left = max(0.0, wake - monotonic())
        return left if wait is None else min(wait, left)

    def is_due(self) -> bool:
        """Whether an item may start now that had to wait."""
        wake = self.book.wake_at()
        return wake is not None and wake <= monotonic()

    def advance(self) -> None:
        """Decide on everything that happened, write what must be written, then act."""
        if self.feeder.more:
            self.feeder.more = False
            self.events.append(b.Look())
        while self.events:
            outcome = b.decide(self.book, self.events.popleft(), monotonic())
            for record in outcome.records:
                self.write(record)
            if outcome.records:
                self.ledger.sync()
            for action in outcome.actions:
                self.act(action)
            if self.book.barrier and self.book.all_settled():
                self.add(self.feeder.pass_barrier())

    def add(self, event: b.Event | None) -> None:
        """Let the book know, if there is something to know."""
        if event is not None:
            self.events.append(event)

    def write(self, record: b.Record) -> None:
        """Put in the journal what a dead worker can't."""
        chunk, i, status = record.chunk, record.i, record.status
        item = capped_item(chunk.raws[i]) if status in FINAL else None
        message = clean(record.message)
        error = msgspec.json.encode({"type": record.kind, "message": message, "worker": record.slot})
        if record.wait is not None:
            past = chunk.past(i) or Past()
            error = msgspec.json.encode(RetryError(record.kind, message, deferred=past.deferred))
        n, item_id = record.n, chunk.ids[i]
        self.ledger.item(
            n, item_id, status, attempt=record.attempt, error=error, item=item, line=chunk.line(i), wait=record.wait
        )
        self.log.error(f"{status}: {record.message}", item=item_id)
        self.standing.ended(n, item_id, status)

    def act(self, action: b.Action) -> None:
        """Do what the book decided."""
        match action:
            case b.Spawn(slot):
                self.spawn(slot)
            case b.Feed(slot, size):
                found = self.feeder.chunk(size)
                if isinstance(found, Chunk):
                    self.book.give(slot, found)
                    self.engine.send(slot, found)
                else:
                    self.add(found)
            case b.Send(slot, chunk):
                self.engine.send(slot, chunk)
            case b.Recall(slot):
                self.engine.recall(slot)
            case b.Retire(slot):
                self.engine.retire(slot)
            case b.Grant(slot, failures, go):
                failed = self.engine.grant(slot, failures, go=go)
                if not go and failed is not None:
                    self.events.append(b.Curbed(slot, failures, failed))
            case b.End():
                pass

    def spawn(self, slot: int) -> None:
        """Fork a worker; where none can be had now, later."""
        if self.book.slots[slot].state is not b.SlotState.LOADING:  # it was let go while it waited to be forked
            self.book.slots[slot].state = b.SlotState.EMPTY
            self.events.append(b.Look())
            return
        try:
            self.ledger.make_slots(slot + 1)
            self.engine.spawn(slot)
            self.held.free(slot)
        except (OSError, SegmentFull) as error:
            if isinstance(error, SegmentFull):
                self.room.hold(error)
            self.log.warning(f"worker {slot} can't be started, tried again in {SPAWN_AGAIN:g} s: {error}")
            self.timers.enter(SPAWN_AGAIN, 3, self.spawn, (slot,))

    # ------------------------------------------------------------------ what the engine tells (engines.base.Host)

    def happened(self, event: b.Event) -> None:
        """See Host."""
        self.held.heard(event)
        if self.figures is not None:
            self.figures.heard(event, self.book)
        if self.mirror is None or not self.mirror.holds(event):
            self.events.append(event)
        if isinstance(event, b.LoadFailed):
            self.log.error(event.error)
        elif isinstance(event, b.Died) and self.book.slots[event.slot].state is not b.SlotState.LEAVING:
            self.log.warning(f"worker {event.slot} ended: {event.why}")

    def recorded(self, status: str, positions: Sequence[int]) -> None:
        """See Host."""
        self.standing.recorded(status, positions)
        if self.mirror is not None and self.mirror.shared:
            self.mirror.tell(self.standing.ran)

    def counted(self, tally: dict[str, Any]) -> None:
        """See Host."""
        self.standing.counted(tally)

    def noted(self, positions: list[int]) -> None:
        """See Host."""
        self.standing.noted(positions)

    def used(self, slot: int, peak: int) -> None:
        """See Host."""
        self.standing.used(slot, peak)

    def printed(self, level: str, slot: int, item_id: str | None, line: str) -> None:
        """See Host."""
        self.log.printed(level, slot, item_id, line)

    def out_of_room(self, slot: int, error: int) -> None:
        """See Host."""
        self.held.add(slot, SegmentFull(error, segment_name(self.ledger.history.run, slot + 1)))

    def broken(self, slot: int, reason: str) -> None:
        """See Host: that segment is never appended to again; what it holds is copied at the next start."""
        self.broken_by = f"worker {slot}: {reason}"

    # ------------------------------------------------------------------ the checkpoint's store

    def hear_store(self) -> None:
        """It had something to say: an answer, that it is away, or why it can't be used any more."""
        assert self.mirror is not None
        self.feeder.hear()
        self.events += self.mirror.let_through()
        error = self.mirror.store.error
        if error is not None:
            how = b.Closing.DRAIN if isinstance(error, KeeperGone) else b.Closing.FAIL  # the next runner has another
            self.wanted(b.Close(how, str(error)))

    # ------------------------------------------------------------------ what the supervisor wants

    def take_orders(self) -> None:
        """Obey, or drain when there is nobody left to obey."""
        if not self.orders.take():
            self.selector.unregister(self.orders.channel)

    def wanted(self, event: b.Event) -> None:
        """See Obeys."""
        if self.mirror is not None and isinstance(event, b.Close):
            self.events += self.mirror.open_gate()
        self.events.append(event)

    def resolve(self, item_id: str, outcome: str) -> None:
        """See Obeys."""
        n = resolve(self.ledger, f"{self.spec.directory}/journal", item_id, outcome, self.log)
        self.ledger.sync()
        if n is None:
            return
        if outcome == "retry":
            self.feeder.again(n)
        self.standing.resolved(outcome)

    def end_by(self, seconds: float | None) -> None:
        """See Obeys: let handlers know, and set the time when what still runs is killed."""
        self.engine.draining()
        if seconds is not None:
            self.timers.enter(seconds, 4, self.engine.kill_all)

    # ------------------------------------------------------------------ what is due

    def sync(self) -> None:
        """Make durable what nobody else does; a failed segment ends the run."""
        self.timers.enter(self.sync_every, 0, self.sync)
        self.ledger.sync()
        if self.engine.sync() and self.mirror is not None and self.mirror.shared:
            self.mirror.tell(self.standing.ran, more=True)  # what was done before a long item need not wait for its end
        if self.broken_by is not None:
            raise Stopped(JobEvent.PAUSED, self.broken_by)

    def watch(self) -> None:
        """End workers that overstep a limit."""
        self.timers.enter(self.engine.expire(monotonic()), 0, self.watch)

    def report(self) -> None:
        """Tell the supervisor, again and again."""
        self.timers.enter(REPORT_EVERY, 1, self.report)
        self.news.tell()
        self.feeder.look_again()
        if self.mirror is not None:
            self.mirror.tell(self.standing.ran)

    def tell_figures(self) -> None:
        """Tell the supervisor what metrics want, again and again, if anybody wants them."""
        if self.figures is not None:
            self.timers.enter(FIGURES_EVERY, 3, self.tell_figures)
            self.orders.say(self.figures.gather())

    def show(self) -> None:
        """Let who looks at the job see what its workers are at, again and again."""
        self.timers.enter(EVERY, 3, self.show)
        self.window.look()

    def log_progress(self) -> None:
        """A line in job.log, again and again."""
        self.timers.enter(self.spec.progress, 2, self.log_progress)
        self.news.log()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Call something in so many seconds."""
        self.timers.enter(seconds, 3, what)


def _failures(spec: JobSpec, history: History) -> FailureCount:
    """What failed in this run so far; what earlier runs did has finished too, so a run of failures alone may fail."""
    tally = history.tally
    failed = tally.failed + tally.quarantined
    finished = failed + tally.in_doubt + len(history.done)
    return FailureCount(spec.failures, finished=finished, failed=failed)


def closing_event(book: b.Book) -> tuple[JobEvent, str | None]:
    """Why a book ended, as a job event; the reason of a drain that nobody ordered is what the runner lost."""
    match book.closing:
        case b.Closing.NO:
            return JobEvent.SUCCEEDED, None
        case b.Closing.PAUSE:
            return JobEvent.PAUSED, book.reason
        case b.Closing.DRAIN:
            return JobEvent.DRAINED, book.reason
        case b.Closing.CANCEL:
            return JobEvent.CANCELLED, book.reason
        case b.Closing.FAIL:
            return JobEvent.FAILED, book.reason
