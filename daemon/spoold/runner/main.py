"""The runner of one job: wait, decide, commit, act.

`core.book.decide` says what follows from each thing that happens; this shell writes the records, then acts. It holds
the job's lock for as long as it lives, and leaves no process behind. When the supervisor is gone, it drains and leaves.
"""

from __future__ import annotations

import errno
import sched
import selectors
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from spoold.core import book as b
from spoold.core.chunk import Chunk
from spoold.core.job import JobEvent
from spoold.core.messages import Done, Held, Message, Order, Progress, Verb, decode_message, encode_message
from spoold.core.spec import JobSpec
from spoold.core.tally import Tally
from spoold.engines.local import LocalEngine
from spoold.errors import JournalError, SourceError
from spoold.journal.failure import SegmentFull
from spoold.journal.folder import segment_name
from spoold.runner.begin import Beginning
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.plan import Bad, Items, Kept, State
from spoold.runner.standing import counts_of, settle
from spoold.system.channel import Channel
from spoold.worker.outcome import capped_item, plain_error

Result = TypeVar("Result")
CANCEL_GRACE = 5.0
REPORT_EVERY = 0.25
ROOM_EVERY = 1.0
"""Seconds after which a record that found no room is tried again: no event tells when there is some."""
SPAWN_AGAIN = 1.0
LEAST_TICK = 0.005


class Stopped(Exception):  # noqa: N818 - not an error: the run ends here, resumable
    """The run can't go on, and what is in the journal is all there is."""

    def __init__(self, event: JobEvent, reason: str | None) -> None:
        super().__init__(reason)
        self.event = event
        self.reason = reason


class Runner:
    """One life of one run."""

    def __init__(
        self, spec: JobSpec, ledger: Ledger, beginning: Beginning, channel: Channel, lock: int, log: JobLog
    ) -> None:
        history = ledger.history
        self.spec = spec
        self.ledger = ledger
        self.beginning = beginning
        self.plan = beginning.plan
        self.channel = channel
        self.log = log
        self.timers = sched.scheduler(monotonic, sleep)
        self.selector = selectors.DefaultSelector()
        self.engine = LocalEngine(spec, self, self.selector, lock, ledger.segment_of)
        deaths = {n: attempt.deaths for n, attempt in history.open.items() if attempt.deaths}
        self.book = b.Book(wanted=spec.granted, poison=spec.poison, deaths=deaths)
        self.counts = counts_of(history, total=self.plan.total, duplicates=self.plan.duplicates)
        self.events: deque[b.Event] = deque([b.Look()])
        self.began = monotonic()
        # a record is seen to be unsynced at one tick and synced at the next: two ticks make one window
        self.sync_every = max(spec.sync / 2, LEAST_TICK)
        self.settled_before = self.counts.settled
        self.more_to_read = False
        self.held: str | None = None
        self.broken_by: str | None = None
        self.paused = False
        self.orphaned = False
        self.ran = 0

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Until every item is settled, or the run is told to stop.

        Raises:
            Stopped: nothing more can be recorded.
        """
        self.ledger.on_full, self.ledger.on_room = self._hold_own, self._let_go
        self.selector.register(self.channel, selectors.EVENT_READ, lambda _: self._on_orders())
        self.timers.enter(self.sync_every, 0, self._sync)
        self.timers.enter(REPORT_EVERY, 1, self._report)
        self.timers.enter(self.spec.progress, 2, self._log_progress)
        self._advance()
        while not self.book.ended:
            wait = self.timers.run(blocking=False)
            for key, mask in self.selector.select(0 if self.more_to_read else wait):
                key.data(mask)
            if self.more_to_read:
                self.events.append(b.Look())
            self._advance()
        self.tell_progress()

    def _advance(self) -> None:
        """Decide on everything that happened, write what must be written, then act."""
        self.more_to_read = False
        while self.events:
            outcome = b.decide(self.book, self.events.popleft())
            for record in outcome.records:
                self._write(record)
            for action in outcome.actions:
                self._act(action)
            if self.book.barrier and not self.book.outstanding() and not self.book.back:
                self._pass_barrier()

    def _write(self, record: b.Record) -> None:
        kind = "WorkerDied" if record.status == "died" else "Poisonous"
        item = capped_item(record.raw) if record.status == "quarantined" else None
        error = plain_error(kind, record.message)
        self.ledger.item(record.n, record.id, record.status, error=error, item=item, line=record.line)
        self.ledger.sync()
        self.log.error(f"{record.status}: {record.message}", item=record.id)
        self.ledger.history.tally.add(record.status, None, record.n, record.id)
        if record.status == "quarantined":
            self.recorded("quarantined", [record.n])
            self.counts.quarantined += 1

    def _act(self, action: b.Action) -> None:
        match action:
            case b.Spawn(slot):
                self._spawn(slot)
            case b.Feed(slot, size):
                self._feed(slot, size)
            case b.Send(slot, chunk):
                self.engine.send(slot, chunk)
            case b.Recall(slot):
                self.engine.recall(slot)
            case b.Retire(slot):
                self.engine.retire(slot)
            case b.End():
                pass

    # ------------------------------------------------------------------ items

    def _feed(self, slot: int, size: int) -> None:
        """Take items from the plan; write what it noted of them before they leave."""
        if self.book.exhausted or self.book.barrier or self.book.closing:
            return
        try:
            taken = self.plan.take(size)
            self._write_notes()
        except SourceError as error:
            self.events.append(b.Close(b.Closing.FAIL, str(error)))
            return
        self.counts.total = self.plan.total if self.plan.total is not None else self.counts.total
        self.counts.duplicates = self.plan.duplicates
        self.book.upcoming = self.plan.upcoming()
        if isinstance(taken, State):
            self._nothing_taken(taken)
        else:
            self._send_new(slot, taken)

    def _send_new(self, slot: int, items: Items) -> None:
        chunk = Chunk(self.book.new_key(), *items)
        self.book.give(slot, chunk)
        self.engine.send(slot, chunk)

    def _nothing_taken(self, state: State) -> None:
        match state:
            case State.MORE:
                self.more_to_read = True
            case State.BARRIER:
                self.book.barrier = True
            case State.END:
                if any(isinstance(event, b.Exhausted) for event in self.events):
                    return
                if self.plan.read_whole:
                    gen, items = self.ledger.history.gen, self.plan.total
                    self.ledger.note("planned", gen=gen, items=items, duplicates=self.plan.duplicates)
                self.events.append(b.Exhausted())

    def _pass_barrier(self) -> None:
        self.book.barrier = False
        self.plan.pass_barrier()
        self.counts.duplicates = self.plan.duplicates
        self.more_to_read = True

    def _write_notes(self) -> None:
        notes, self.plan.notes = self.plan.notes, []
        for note in notes:
            match note:
                case Bad(n, item_id, raw, line, reason):
                    error = plain_error("malformed", reason)
                    self.ledger.item(n, item_id, "failed", error=error, item=capped_item(raw), line=line)
                    self.log.error(f"malformed record: {reason}", item=item_id)
                    self.ledger.history.tally.add("failed", None, n, item_id)
                    self.recorded("failed", [n])
                    self.counts.failed += 1
                case Kept(n, item_id, _, result):
                    self.ledger.item(n, item_id, "kept", result=result)
                    self.ledger.history.tally.add("kept", None, n, item_id)
                    self.ledger.history.results += result is not None
                    self.recorded("kept", [n])
                    self.counts.ok += 1
                    self.counts.already_done += 1
                    self.settled_before += 1
                case _:
                    self.ledger.block(*note)

    def _spawn(self, slot: int) -> None:
        try:
            self.ledger.make_slots(slot + 1)
            self.engine.spawn(slot)
        except (OSError, SegmentFull) as error:
            self.log.warning(f"worker {slot} can't be started, tried again in {SPAWN_AGAIN:g} s: {error}")
            self.book.slots[slot].state = b.SlotState.LOADING
            self.timers.enter(SPAWN_AGAIN, 3, self._spawn_again, (slot,))

    def _spawn_again(self, slot: int) -> None:
        if self.book.closing:
            self.book.slots[slot].state = b.SlotState.EMPTY
            self.events.append(b.Look())
        else:
            self._spawn(slot)

    # ------------------------------------------------------------------ what the engine tells

    def happened(self, event: b.Event) -> None:
        """See engines.base.Host."""
        self.events.append(event)
        if isinstance(event, b.LoadFailed):
            self.log.error(event.error)
        elif isinstance(event, b.Died) and self.book.slots[event.slot].state is not b.SlotState.LEAVING:
            self.log.warning(f"worker {event.slot} ended: {event.why}")

    def recorded(self, status: str, positions: list[int]) -> None:
        """See engines.base.Host."""
        settle(self.ledger.history, status, positions)
        self.ran += len(positions)

    def counted(self, tally: dict[str, object]) -> None:
        """See engines.base.Host."""
        part = Tally.from_builtins(tally)
        self.ledger.history.tally.merge(part)
        self.ledger.history.results += part.results
        self.counts.ok += part.ok
        self.counts.failed += part.failed
        self.counts.skipped += part.skipped

    def printed(self, level: str, slot: int, item_id: str | None, line: str) -> None:
        """See engines.base.Host."""
        self.log.printed(level, slot, item_id, line)

    def out_of_room(self, slot: int, error: int) -> None:
        """See engines.base.Host."""
        if self.held is None:
            self._hold(SegmentFull(error, segment_name(self.ledger.history.run, slot + 1)))
            self.timers.enter(ROOM_EVERY, 3, self._try_room)

    def broken(self, slot: int, reason: str) -> None:
        """See engines.base.Host: never append to that segment again; what it holds is copied at the next start."""
        self.broken_by = f"worker {slot}: {reason}"

    # ------------------------------------------------------------------ no room

    def _hold(self, full: SegmentFull) -> None:
        self.held = f"no room for the journal: {full}"
        self.log.error(self.held)
        self.say(Held(self.held))

    def _let_go(self) -> None:
        if self.held is None:
            return
        self.held = None
        self.log.info("there is room again: going on")
        self.say(Held(None))

    def _try_room(self) -> None:
        self._let_go()
        self.engine.room()

    def _hold_own(self, full: SegmentFull) -> None:
        """Our own record found no room: wait here, for nothing may happen before it is written."""
        if self.held is None:
            self._hold(full)
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.select(ROOM_EVERY)
        self._on_orders()
        if self.book.closing or any(isinstance(event, b.Close) for event in self.events):
            raise Stopped(JobEvent.DRAINED, self.held)

    # ------------------------------------------------------------------ orders

    def _on_orders(self) -> None:
        for _, body in self.channel.arrived():
            message = decode_message(body)
            if isinstance(message, Order):
                self._obey(message)
        if self.channel.closed and not self.orphaned:
            self.orphaned = True
            self.selector.unregister(self.channel)
            self._close(b.Closing.DRAIN, self.spec.drain_timeout)

    def _obey(self, order: Order) -> None:
        match order.verb:
            case Verb.PAUSE:
                self.ledger.job("paused", by="operator")
                self.paused = True
                self._close(b.Closing.PAUSE, None)
            case Verb.DRAIN:
                self._close(b.Closing.DRAIN, self.spec.drain_timeout)
            case Verb.CANCEL:
                self.ledger.job("cancelling")
                self._close(b.Closing.CANCEL, CANCEL_GRACE)
            case Verb.NOW:
                self._close(b.Closing.DRAIN, 0.0)
            case Verb.SCALE:
                if order.wanted is not None:
                    self.ledger.job("scaled", workers=order.wanted)
                self.events.append(b.Resize(order.workers))
        if order.ref:
            self.say(Done(order.ref))

    def _close(self, how: b.Closing, seconds: float | None) -> None:
        self.events.append(b.Close(how))
        self.engine.draining()
        if seconds is not None:
            self.timers.enter(seconds, 4, self.engine.kill_all)

    # ------------------------------------------------------------------ what is due

    def _sync(self) -> None:
        self.timers.enter(self.sync_every, 0, self._sync)
        self.ledger.sync()
        self.engine.sync()
        self.engine.expire(monotonic())
        if self.broken_by is not None:
            raise Stopped(JobEvent.PAUSED, self.broken_by)

    def _report(self) -> None:
        self.timers.enter(REPORT_EVERY, 1, self._report)
        self.tell_progress()

    def _log_progress(self) -> None:
        self.timers.enter(self.spec.progress, 2, self._log_progress)
        counts, total = self.counts, self.counts.total
        of = "" if total is None else f" of {total}"
        self.log.info(f"{counts.settled}{of} settled, {counts.ok} ok, {counts.failed} failed, {self.rate():.1f}/s")

    def rate(self) -> float:
        """Items settled in a second of this life of the run."""
        return (self.counts.settled - self.settled_before) / max(monotonic() - self.began, 1e-3)

    def tell_progress(self) -> None:
        """Tell the supervisor how far we are, unless it still has our last news to read."""
        self.counts.in_flight = sum(1 for slot in self.book.slots.values() if slot.outstanding)
        self.channel.flush()
        if not self.channel.backlog:
            self.say(Progress(self.counts, self.rate(), len(self.book.live())))

    def say(self, message: Message) -> None:
        """Send the supervisor a message; without a supervisor nobody needs it."""
        if not self.channel.closed:
            self.channel.send(0, encode_message(message))

    def patiently(self, work: Callable[[], Result]) -> Result | None:
        """Do something that needs room on the disk, again until there is some; None if a drain came first."""
        while True:
            try:
                done = work()
            except (OSError, JournalError) as error:
                full = _want_of_room(error)
                if full is None:
                    raise
            else:
                self._let_go()
                return done
            try:
                self._hold_own(full)
            except Stopped:
                return None


def _want_of_room(error: OSError | JournalError) -> SegmentFull | None:
    """The error as a lack of space, which passes; None if it is something else."""
    if isinstance(error, SegmentFull):
        return error
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return SegmentFull(cause.errno, cause.filename)
    return None


def closing_event(book: b.Book) -> tuple[JobEvent, str | None]:
    """Why a book ended, as a job event."""
    match book.closing:
        case b.Closing.NO:
            return JobEvent.SUCCEEDED, None
        case b.Closing.PAUSE:
            return JobEvent.PAUSED, None
        case b.Closing.DRAIN:
            return JobEvent.DRAINED, None
        case b.Closing.CANCEL:
            return JobEvent.CANCELLED, book.reason
        case b.Closing.FAIL:
            return JobEvent.FAILED, book.reason
