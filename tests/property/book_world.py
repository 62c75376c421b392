"""What stands around a book in its state machine: the plan, the shell, the processes, and the truth about each item.

As in reality, what happens to a worker reaches the book later, and an order to a worker that is dead meanwhile is
dropped. Everything that the book decides is checked against the truth as it is carried out.
"""

from __future__ import annotations

from collections import Counter, deque

from tests.property.book_worker import Truth, Worker, replace_past

from spoold.core import book as b
from spoold.core import waiting
from spoold.core.ending import IN_DOUBT, MEMORY, POISONOUS, TIMEOUT, WORKER_DIED, Ending
from spoold.core.events import Record

PATIENCE = 20_000
LATE = 0.01
"""Seconds by which a start may be late without putting off those after it; see core.rate."""


class World:
    """Everything around a book."""

    def __init__(self, book: b.Book, items: int, set_aside: int, *, at_most_once: bool = False) -> None:
        self.book = book
        self.at_most_once = at_most_once
        self.now = book.now
        self.fresh = deque(range(items))
        self.aside = deque(range(items, items + set_aside))
        self.total = items + set_aside
        self.batch = 1 << 30
        self.events: deque[b.Event] = deque([b.Look()])
        self.workers: dict[int, Worker] = {}
        self.taken: set[int] = set()
        self.items = {n: Truth(deaths=book.deaths.get(n, 0)) for n in range(max(self.total, 10))}
        self.odd: dict[int, str] = {}
        self.running: set[int] = set()
        self.owed: dict[int, list[tuple[str, str]]] = {}
        self.lone: set[int] = set()
        self.held = 0.0
        self.starts: list[float] = []
        self.told_failed = 0
        self.tripped: tuple[int, int] | None = None
        self.hesitates = False
        self.at_end = False
        self.ends = 0

    # ------------------------------------------------------------------ the runner's shell

    def decide_next(self) -> None:
        """Decide on the oldest event and do what follows."""
        event = self.events.popleft()
        if isinstance(event, b.Died):
            self.note_death(event)
        if isinstance(event, b.Acked | b.Died):
            self.take_note(event.endings)
        was_over = self.book.ended
        out = b.decide(self.book, event, self.now)
        assert not (was_over and (out.records or out.actions)), "something after the end"
        for record in out.records:
            self.write(record)
        assert not self.owed, "a death without its records"
        self.look_at_limits()
        full = len(self.book.waiting) >= waiting.MOST
        for action in out.actions:
            assert not (full and isinstance(action, b.Feed)), "something new, though too much waits"
            self.act(action)
        if self.book.barrier and self.book.all_settled():
            self.book.barrier = False
            assert all(self.items[n].ends for n in self.taken)
            self.fresh, self.aside = self.aside, deque()
            self.events.append(b.Look())

    def take_note(self, endings: tuple[Ending, ...]) -> None:
        """What the book is told now."""
        self.told_failed += sum(ending.status == "failed" for ending in endings)
        self.held = max([self.held, *(self.now + ending.wait for ending in endings if ending.hold)])

    def look_at_limits(self) -> None:
        """A limit that is passed closes the book."""
        trip = self.book.failures.tripped()
        if trip is not None:
            assert self.book.closing >= (b.Closing.FAIL if trip.fatal else b.Closing.PAUSE)
            if self.tripped is None:
                dead = sum(isinstance(event, b.Died) for event in self.events)
                self.tripped = self.told_failed, len(self.workers) + dead

    def note_death(self, event: b.Died) -> None:
        """What the book must say of this death."""
        for n, past in event.pasts.items():
            self.items[n].past = past
        for n in event.doubtful:
            self.owed[n] = [("in-doubt", IN_DOUBT)]
        blamed = () if event.cause is b.Cause.OURS else event.suspects
        if event.cause is not b.Cause.TIMEOUT or len(blamed) > 1:
            self.lone |= set(blamed)
        if len(blamed) == 1 and blamed[0] not in event.doubtful:
            self.owed[blamed[0]] = self.expected(blamed[0], event)

    def expected(self, n: int, event: b.Died) -> list[tuple[str, str]]:
        """The records that follow when a death is blamed on one item."""
        item = self.items[n]
        if event.cause is b.Cause.MEMORY:
            item.past = replace_past(item.past, strikes=item.past.strikes + 1)
            return [("died", MEMORY)] + [("failed", MEMORY)] * (item.past.strikes == 2)
        item.deaths += 1
        poisonous = item.deaths >= self.book.poison
        if event.cause is b.Cause.ITEM:
            return [("died", WORKER_DIED)] + [("quarantined", POISONOUS)] * poisonous
        another = self.book.policy.timeouts and item.past.attempt < self.book.policy.attempts
        self.lone.discard(n)
        if another and not poisonous:
            wait = self.book.policy.wait(item.past.attempt, event.luck)
            item.past = replace_past(item.past, attempt=item.past.attempt + 1)
            item.due = self.now + wait
        last = ("failed", TIMEOUT) if not another else ("quarantined", POISONOUS) if poisonous else ("retry", TIMEOUT)
        return [("died", TIMEOUT), last]

    def write(self, record: Record) -> None:
        """A record of the runner's: it was owed, and comes in its order."""
        n, item = record.n, self.items[record.n]
        assert (record.chunk.ids[record.i], record.chunk.raws[record.i]) == (str(n), b"%d" % n)
        assert self.owed[n].pop(0) == (record.status, record.kind)
        if not self.owed[n]:
            del self.owed[n]
        assert (record.wait is not None) == (record.status == "retry")
        if record.status in ("failed", "quarantined", "in-doubt"):
            self.end(item, failed=record.status != "in-doubt")
            self.told_failed += item.failed

    @staticmethod
    def end(item: Truth, *, failed: bool) -> None:
        """An item has its final record."""
        item.ends += 1
        item.failed = failed
        assert item.ends == 1, "an item was settled twice"

    def act(self, action: b.Action) -> None:
        """Carry out an action; what is meant for a dead worker is dropped."""
        match action:
            case b.Spawn(slot):
                assert slot < self.book.wanted
                assert slot not in self.workers, "two workers in one slot"
                self.workers[slot] = Worker()
            case b.Feed(slot, size):
                self.feed(slot, size)
            case b.Send(slot, chunk):
                self.send(slot, chunk)
            case b.Recall(slot):
                if slot in self.workers:
                    assert not self.workers[slot].stop, "recalled twice"
                    self.workers[slot].stop = True
            case b.Retire(slot):
                if slot in self.workers:
                    assert not self.workers[slot].inbox, "retired with work on its hands"
                    assert not self.workers[slot].retired, "retired twice"
                    self.workers[slot].retired = True
            case b.Grant(slot, failures, go):
                self.grant(slot, failures, go=go)
            case b.End():
                self.ends += 1
                assert not self.workers

    def grant(self, slot: int, failures: int, *, go: bool) -> None:
        """A worker may go on, then nothing may begin that it does not know of; or it may have less than before."""
        worker = self.workers.get(slot)
        if worker is None:
            return
        if go:
            assert failures > worker.failures
            may_begin = worker.inbox and not worker.stop
            assert not (may_begin and (self.book.closing or self.now < self.held)), "told to go on, then to stop"
            worker.waits = False
        else:
            assert failures < worker.credit
            self.events.append(b.Curbed(slot, failures, worker.failures))
        worker.credit = failures

    def feed(self, slot: int, size: int) -> None:
        """Take from the plan, which may hesitate, have few items at hand, or wait for what it gave."""
        assert size > 0
        if self.book.exhausted or self.book.barrier or self.book.closing or self.book.waiting.full:
            return
        if self.hesitates:
            self.hesitates = False
            self.events.append(b.Look())
        elif self.fresh:
            ns = [self.fresh.popleft() for _ in range(min(size, self.batch, len(self.fresh)))]
            self.taken |= set(ns)
            chunk = b.Chunk(self.book.new_key(), ns, [str(n) for n in ns], [b"%d" % n for n in ns], [n + 1 for n in ns])
            chunk = self.without_odd(chunk)
            if len(chunk):
                self.book.give(slot, chunk)
                self.send(slot, chunk)
            if len(chunk) < len(ns) or (len(ns) < size and self.book.rate.limited):
                self.events.append(b.Look())
        elif self.aside:
            self.book.barrier = self.at_end = True
            self.events.append(b.Look())
        elif b.Exhausted() not in self.events:
            self.at_end = True
            self.events.append(b.Exhausted())
        self.book.upcoming = len(self.fresh) + len(self.aside) if self.at_end else None

    def without_odd(self, chunk: b.Chunk) -> b.Chunk:
        """Leave out the items that can't run, or not now; see runner.feeder."""
        left = []
        for i, n in enumerate(chunk.ns):
            item, how = self.items[n], self.odd.pop(n, None)
            match how:
                case "malformed":
                    self.end(item, failed=True)
                    self.told_failed += 1
                    self.book.ended_badly(Ending(n, "failed", "malformed"))
                case "waits":
                    item.past, item.due = b.Past(deferred=1.0), self.now + 0.4
                    self.book.put_off(chunk, i, 0.4, item.past)
                case "starved":
                    item.past = b.Past(strikes=1)
                    self.book.put_off(chunk, i, 0.0, item.past)
                case _:
                    left.append(i)
        return chunk if len(left) == len(chunk) else chunk.pick(chunk.key, left)

    def send(self, slot: int, chunk: b.Chunk) -> None:
        """Hand a chunk to a worker, if that is allowed."""
        there = self.book.slots[slot]
        assert not self.book.closing, "sent while closing"
        assert self.now >= self.held, "sent while the job is held"
        assert there.state is b.SlotState.READY
        assert not there.recalled
        assert slot < self.book.wanted
        assert len(there.outstanding) <= b.DEEPEST * self.book.lanes
        assert len(there.outstanding) == 1 or not any(other.alone for other in there.outstanding.values())
        for i, n in enumerate(chunk.ns):
            self.check_item(chunk, i, n)
        if self.book.rate.limited:
            self.check_rate(len(chunk))
        worker = self.workers.get(slot)
        if worker is not None:
            assert worker.loaded
            assert not worker.retired
            if self.items[chunk.ns[0]].past.strikes:
                assert not worker.life, "out of memory, and tried again where others ran before"
            if not worker.inbox:
                worker.stop = False
            worker.inbox.append(chunk)

    def check_item(self, chunk: b.Chunk, i: int, n: int) -> None:
        """Whether an item may be sent as it is."""
        item = self.items[n]
        assert not item.ends, "settled and sent again"
        assert n not in self.owed, "tried again before its death was written"
        assert item.due <= self.now, "sent before it is due"
        assert (chunk.past(i) or b.Past()) == item.past
        assert item.past.attempt <= self.book.policy.attempts
        assert chunk.alone or n not in self.lone or not item.deaths
        assert chunk.alone or not item.past.strikes
        assert not chunk.alone or len(chunk) == 1

    def check_rate(self, count: int) -> None:
        """Whether so many may start now, after those that did."""
        self.starts += [self.now] * count
        space = self.book.rate._space
        assert space is not None
        for back, at in enumerate(reversed(self.starts), 1):
            assert back <= (self.now - at + LATE) / space + self.book.batch + 1e-6, "too many at a time"

    # ------------------------------------------------------------------ the processes

    def load(self, slot: int) -> None:
        """The handler is imported."""
        self.workers[slot].loaded = True
        self.events.append(b.Loaded(slot))

    def fail_to_load(self, slot: int) -> None:
        """It is not."""
        del self.workers[slot]
        self.events.append(b.LoadFailed(slot, "no such module"))

    def go_on(self, slot: int) -> None:
        """Begin the next item, or tell that nothing more of the chunk at hand will run here."""
        worker = self.workers[slot]
        if not worker.may_begin():
            self.acknowledge(slot, 0.0, last=True)
            return
        assert self.now >= self.held, "begun while the job is held"
        n = worker.unbegun()[0]
        assert n not in self.running, "an item twice at once"
        self.running.add(n)
        worker.begun.append(n)
        worker.life += 1
        assert self.book.recycle.items is None or worker.life <= self.book.recycle.items

    def finish(self, slot: int, which: int, seconds: float) -> None:
        """Write the record of an item that is ok."""
        worker = self.workers[slot]
        n = worker.begun.pop(which % len(worker.begun))
        self.running.remove(n)
        worker.written.add(n)
        self.end(self.items[n], failed=False)
        if worker.prefix() == len(worker.inbox[0]):
            self.acknowledge(slot, seconds, last=True)

    def end_badly(self, slot: int, how: str, wait: float, luck: float) -> None:
        """Write the record of the first item begun, which raised; the worker tells at once, and may have to wait."""
        worker = self.workers[slot]
        n = worker.begun.pop(0)
        self.running.remove(n)
        worker.written.add(n)
        ending = self.verdict(n, how, wait, luck)
        ending.starved = how == "memory"
        worker.endings.append(ending)
        worker.starved |= how == "memory"
        worker.failures += ending.status == "failed"
        worker.waits = how == "fatal" or ending.hold or worker.failures >= worker.credit
        self.acknowledge(slot, 0.01, last=False, waits=worker.waits, fatal="no licence" if how == "fatal" else None)

    def verdict(self, n: int, how: str, wait: float, luck: float) -> Ending:
        """What becomes of an item that raised; see worker.verdict."""
        item, past, policy = self.items[n], self.items[n].past, self.book.policy
        free = replace_past(past, deferred=past.deferred + wait)
        match how:
            case "raised" if past.attempt < policy.attempts:
                wait = policy.wait(past.attempt, luck)
                ending = Ending(n, "retry", "ConnectionError", "", wait, replace_past(past, attempt=past.attempt + 1))
            case "later" | "hold":
                ending = Ending(n, "retry", "RetryLater", "", wait, free, hold=how == "hold")
            case "memory" if not past.strikes:
                ending = Ending(n, "retry", MEMORY, "", 0.0, replace_past(past, strikes=1), starved=True)
            case "skipped" | "in-doubt":
                ending = Ending(n, how, "Skip")
            case _:
                starved = how == "memory"
                ending = Ending(n, "failed", MEMORY if starved else "ValueError", "bad", starved=starved)
        self.lone.discard(n)
        if ending.again:
            assert ending.past is not None
            item.past, item.due = ending.past, self.now + ending.wait
        else:
            self.end(item, failed=ending.status == "failed")
        return ending

    def acknowledge(
        self, slot: int, seconds: float, *, last: bool, waits: bool = False, fatal: str | None = None
    ) -> None:
        """Tell how far the chunk at hand is."""
        worker = self.workers[slot]
        chunk, done = worker.inbox[0], worker.prefix()
        told = tuple(ending for ending in worker.endings if ending.n in chunk.ns[:done])
        worker.endings = [ending for ending in worker.endings if ending not in told]
        spent = seconds * (done - worker.acked)
        self.events.append(b.Acked(slot, chunk.key, done, last, spent, told, waits=waits, fatal=fatal))
        worker.acked = done
        if last:
            worker.inbox.pop(0)
            worker.take_in_hand()

    def die(self, slot: int, cause: b.Cause, luck: float = 0.5, doubt: int = 0, saved: bytes | None = None) -> None:
        """The process ends; its journal tells what it had done, and what it had begun.

        Args:
            slot: whose.
            cause: what ended it.
            luck: for the wait after a timeout.
            doubt: which of the items begun is in the middle of an effect; 0: none.
            saved: what the first of them saved.
        """
        worker = self.workers.pop(slot)
        lanes = worker.open_lanes()
        begun = [n for _, lane in lanes for n in lane[0]]
        endings = tuple(ending for _, lane in lanes for ending in lane[2])
        unacked = [n for chunk, lane in lanes for n in chunk.ns[lane[3] :] if n in lane[1]]
        settled = frozenset(n for n in unacked if self.items[n].ends)
        doubtful = set(begun) if self.at_most_once else set(begun[doubt - 1 : doubt])
        pasts = {}
        if saved is not None and begun and begun[0] not in doubtful:
            pasts[begun[0]] = replace_past(self.items[begun[0]].past, saved=saved)
        self.running -= set(begun)
        if worker.retired and not worker.loaded:
            cause = b.Cause.OURS
        why = dict.fromkeys(doubtful, "it was killed")
        self.events.append(b.Died(slot, settled, tuple(begun), "killed", cause, endings, why, pasts, luck))

    # ------------------------------------------------------------------ time

    def pass_time(self, seconds: float) -> None:
        """The clock goes on; the runner wakes when something is due."""
        self.now += seconds
        wake = self.book.wake_at()
        if wake is not None and wake <= self.now:
            self.events.append(b.Look())

    def step_fairly(self, slot: int) -> bool:
        """What this worker does when nobody disturbs it; False if it has nothing to do."""
        worker = self.workers[slot]
        if worker.begun:
            self.finish(slot, 0, 0.01)
        elif worker.can_go_on():
            self.go_on(slot)
        elif worker.retired:
            self.die(slot, b.Cause.ITEM)
        elif not worker.loaded:
            self.load(slot)
        else:
            return False
        return True

    def play_a_round(self) -> None:
        """The runner decides on everything, then each worker takes a step; if none can, time passes."""
        while self.events:
            self.decide_next()
        if self.book.ended:
            return
        steps = [self.step_fairly(slot) for slot in list(self.workers)]
        if not any(steps):
            wake = self.book.wake_at()
            assert wake is not None, "nothing will ever happen again"
            self.pass_time(wake - self.now)

    def play_to_the_end(self) -> None:
        """Everybody gets their turn, the book first: so a worker always sees what it was told before it begins."""
        for _ in range(PATIENCE):
            self.play_a_round()
            if self.book.ended:
                return
        raise AssertionError("it never ends")

    # ------------------------------------------------------------------ what holds at any time

    def check_places(self) -> None:
        """Each item taken and not settled is in one place: outstanding in one slot, in `back`, or waiting."""
        book = self.book
        places = Counter(n for chunk in book.back for n in chunk.ns)
        places.update(n for _, chunk in book.waiting for n in chunk.ns)
        for slot in book.slots.values():
            assert slot.state is not b.SlotState.EMPTY or not slot.outstanding
            for chunk in slot.outstanding.values():
                places.update(chunk.ns[slot.done.get(chunk.key, 0) :])
        assert not places or max(places.values()) == 1
        assert all(self.items[n].ends for n in self.taken - set(places))

    def check_nobody_forgotten(self) -> None:
        """Who asked was answered; who is past the workers wanted was told to go; who idles has a reason."""
        book = self.book
        workers = self.workers.values()
        assert not any(worker.waits for worker in workers)
        unused = sum(max(0, worker.credit - worker.failures) for worker in workers)
        assert unused <= book.failures.allowance + len(workers), "more may fail than the limits allow"
        for slot in book.live():
            assert slot.outstanding or not slot.recalled
            assert slot.number < book.wanted or slot.recalled or slot.state is not b.SlotState.READY
        if self.fresh and not (book.closing or book.barrier or book.back or book.waiting.full):
            idle = [slot for slot in book.fillable() if not slot.outstanding]
            assert not idle or book.wake_at() is not None, "idle, though there are items"

    def check_end(self) -> None:
        """With every item settled once, or left for the next start."""
        book = self.book
        assert self.ends == 1
        settled = {n for n, item in self.items.items() if item.ends}
        left = {n for chunk in book.back for n in chunk.ns} | {n for _, chunk in book.waiting for n in chunk.ns}
        assert self.taken == settled | left
        assert not settled & left
        if not book.closing:
            assert settled == set(range(self.total))
        assert not settled & book.deaths.keys(), "deaths of settled items are forgotten"
        if self.tripped is not None:
            told, live = self.tripped
            assert sum(item.failed for item in self.items.values()) <= told + live, "more failed than were in flight"
