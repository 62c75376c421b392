"""The book's decisions, played against every order of loads, acknowledgements, deaths and commands.

`World` stands for the plan, the engine and the processes: as in reality, what happens to a worker reaches the book
later, and an order to a worker that is dead meanwhile is dropped. It checks each outcome as it is carried out.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spoold.core import book as b

PATIENCE = 5_000


@dataclass
class Worker:
    """A process, with what it has on its hands."""

    loaded: bool = False
    stop: bool = False
    retired: bool = False
    inbox: list[b.Chunk] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    acked: int = 0

    def unbegun(self) -> list[int]:
        """Items of the chunk at hand that were not begun."""
        return [n for n in self.inbox[0].ns if n not in self.written and n not in self.begun] if self.inbox else []

    def prefix(self) -> int:
        """Items from the chunk's beginning that have their records."""
        ns = self.inbox[0].ns
        return next((i for i, n in enumerate(ns) if n not in self.written), len(ns))


class World:
    """Everything around a book."""

    def __init__(self, book: b.Book, items: int, set_aside: int) -> None:
        self.book = book
        self.fresh = deque(range(items))
        self.aside = deque(range(items, items + set_aside))
        self.total = items + set_aside
        self.events: deque[b.Event] = deque([b.Look()])
        self.workers: dict[int, Worker] = {}
        self.taken: set[int] = set()
        self.records: Counter[int] = Counter()
        self.told: set[int] = set()
        self.owed: set[int] = set()
        self.lone: set[int] = set()
        self.deaths = Counter(book.deaths)
        self.quarantined: set[int] = set()
        self.hesitates = False
        self.at_end = False
        self.ends = 0

    # ------------------------------------------------------------------ the runner's shell

    def decide_next(self) -> None:
        """Decide on the oldest event and do what follows."""
        event = self.events.popleft()
        if isinstance(event, b.Died):
            self.note_death(event)
        was_over = self.book.ended
        out = b.decide(self.book, event)
        assert not (was_over and (out.records or out.actions)), "something after the end"
        for record in out.records:
            self.write(record)
        assert all(n in self.quarantined for n, count in self.deaths.items() if count == self.book.poison)
        for action in out.actions:
            self.act(action)
        if self.book.barrier and not self.book.outstanding() and not self.book.back:
            self.book.barrier = False
            self.fresh, self.aside = self.aside, deque()
            self.events.append(b.Look())

    def note_death(self, event: b.Died) -> None:
        """What the book must say of this death."""
        self.told |= event.settled
        blamed = () if event.ours else event.suspects
        if len(blamed) == 1:
            self.owed.add(blamed[0])
        self.lone |= set(blamed)

    def write(self, record: b.Record) -> None:
        """A record of the runner's."""
        assert (record.id, record.raw) == (str(record.n), b"%d" % record.n)
        if record.status == "died":
            self.owed.remove(record.n)
            self.deaths[record.n] += 1
            assert self.deaths[record.n] <= self.book.poison
        else:
            assert record.status == "quarantined"
            assert self.deaths[record.n] == self.book.poison
            self.quarantined.add(record.n)
            self.records[record.n] += 1

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
            case b.End():
                self.ends += 1
                assert not self.workers

    def feed(self, slot: int, size: int) -> None:
        """Take from the plan, which may hesitate, or wait for what it gave."""
        if self.book.exhausted or self.book.barrier or self.book.closing:
            return
        if self.hesitates:
            self.hesitates = False
            self.events.append(b.Look())
        elif self.fresh:
            ns = [self.fresh.popleft() for _ in range(min(size, len(self.fresh)))]
            self.taken |= set(ns)
            chunk = b.Chunk(self.book.new_key(), ns, [str(n) for n in ns], [b"%d" % n for n in ns], [n + 1 for n in ns])
            self.book.give(slot, chunk)
            self.send(slot, chunk)
        elif self.aside:
            self.book.barrier = self.at_end = True
        elif b.Exhausted() not in self.events:
            self.at_end = True
            self.events.append(b.Exhausted())
        self.book.upcoming = len(self.fresh) + len(self.aside) if self.at_end else None

    def send(self, slot: int, chunk: b.Chunk) -> None:
        """Hand a chunk to a worker, if that is allowed."""
        there = self.book.slots[slot]
        assert not self.book.closing, "sent while closing"
        assert there.state is b.SlotState.READY
        assert not there.recalled
        assert slot < self.book.wanted
        assert len(there.outstanding) <= b.DEPTH
        assert len(there.outstanding) == 1 or not any(other.alone for other in there.outstanding)
        for n in chunk.ns:
            assert n not in self.told, "settled and sent again"
            assert n not in self.quarantined, "quarantined and sent again"
            assert n not in self.owed, "tried again before its death was written"
            assert n not in self.lone or chunk.alone or self.deaths[n] == 0
        worker = self.workers.get(slot)
        if worker is not None:
            assert worker.loaded
            assert not worker.retired
            if not worker.inbox:
                worker.stop = False
            worker.inbox.append(chunk)

    # ------------------------------------------------------------------ the processes

    def load(self, slot: int) -> None:
        """The handler is imported."""
        self.workers[slot].loaded = True
        self.events.append(b.Loaded(slot))

    def fail_to_load(self, slot: int) -> None:
        """It is not."""
        del self.workers[slot]
        self.events.append(b.LoadFailed(slot, "no such module"))

    def begin(self, slot: int) -> None:
        """Begin the next item, or hand back the rest when told to."""
        worker = self.workers[slot]
        if worker.stop:
            if not worker.begun:
                self.acknowledge(slot, 0.0, last=True)
        else:
            worker.begun.append(worker.unbegun()[0])

    def finish(self, slot: int, which: int, seconds: float) -> None:
        """Write the record of an item that was begun."""
        worker = self.workers[slot]
        n = worker.begun.pop(which % len(worker.begun))
        worker.written.add(n)
        self.records[n] += 1
        assert self.records[n] == 1, "an item was settled twice"
        if worker.prefix() == len(worker.inbox[0]):
            self.acknowledge(slot, seconds, last=True)

    def acknowledge(self, slot: int, seconds: float, *, last: bool) -> None:
        """Tell how far the chunk at hand is."""
        worker = self.workers[slot]
        chunk, done = worker.inbox[0], worker.prefix()
        self.events.append(b.Acked(slot, chunk.key, done, last, seconds * (done - worker.acked)))
        self.told |= set(chunk.ns[:done])
        worker.acked = 0 if last else done
        if last:
            worker.inbox.pop(0)

    def die(self, slot: int, *, ours: bool) -> None:
        """The process ends; its journal tells what it had done."""
        worker = self.workers.pop(slot)
        unacked = [n for chunk in worker.inbox for n in chunk.ns]
        settled = frozenset(n for n in unacked if n in worker.written) - set(unacked[: worker.acked])
        ours = ours or (worker.retired and not worker.loaded)
        self.events.append(b.Died(slot, settled, tuple(worker.begun), "killed", ours=ours))

    def step_fairly(self, slot: int) -> None:
        """What this worker does when nobody disturbs it."""
        worker = self.workers[slot]
        if worker.begun:
            self.finish(slot, 0, 0.01)
        elif worker.inbox:
            self.begin(slot)
        elif worker.retired:
            self.die(slot, ours=False)
        elif not worker.loaded:
            self.load(slot)

    def play_to_the_end(self) -> None:
        """Everybody gets their turn, the book first: so a worker always sees what it was told before it begins."""
        for _ in range(PATIENCE):
            self.play_a_round()
            if self.book.ended:
                return
        raise AssertionError("it never ends")

    def play_a_round(self) -> None:
        """The runner decides on everything, then each worker takes a step."""
        while self.events:
            self.decide_next()
        for slot in list(self.workers):
            self.step_fairly(slot)


class BookMachine(RuleBasedStateMachine):
    """Hypothesis plays against the book."""

    @initialize(
        items=st.integers(0, 40) | st.integers(20, 60),
        aside=st.integers(0, 3),
        wanted=st.integers(1, 4),
        poison=st.integers(1, 3),
        died_before=st.sets(st.integers(0, 5), max_size=2),
        known=st.integers(0, 2),
        rounds=st.integers(0, 10),
    )
    def begin_run(
        self, items: int, aside: int, wanted: int, poison: int, died_before: set[int], known: int, rounds: int
    ) -> None:
        """A run, perhaps one that goes on where another died, and of whose items something is known."""
        deaths = dict.fromkeys(died_before, poison - 1) if poison > 1 else {}
        book = b.Book(wanted=wanted, poison=poison, deaths=deaths)
        for _ in range(known):
            book.pace.observe(1, 0.004)
        self.world = World(book, items, aside)
        self.play(rounds)

    def pick(self, number: int, slots: list[int]) -> int:
        """One of the slots."""
        return slots[number % len(slots)]

    def loaded(self) -> list[int]:
        """Slots whose worker has its handler."""
        return [slot for slot, worker in self.world.workers.items() if worker.loaded]

    def loading(self) -> list[int]:
        """Slots whose worker imports its handler."""
        return [slot for slot, worker in self.world.workers.items() if not worker.loaded]

    def idle(self) -> list[int]:
        """Slots whose worker has its handler and is in no item."""
        return [slot for slot in self.loaded() if not self.world.workers[slot].begun]

    def startable(self) -> list[int]:
        """Slots whose worker can begin an item now or hand back."""
        workers = self.world.workers
        return [s for s, w in workers.items() if w.inbox and (w.unbegun() or w.stop) and not (w.stop and w.begun)]

    def busy(self) -> list[int]:
        """Slots whose worker is in an item."""
        return [slot for slot, worker in self.world.workers.items() if worker.begun]

    @precondition(lambda self: self.world.events)
    @rule(count=st.integers(1, 4))
    def decide(self, count: int) -> None:
        """The runner gets to some of its events."""
        for _ in range(min(count, len(self.world.events))):
            self.world.decide_next()

    @rule(rounds=st.integers(1, 10))
    def play(self, rounds: int) -> None:
        """For a while everybody gets their turn."""
        for _ in range(rounds):
            self.world.play_a_round()

    @rule()
    def hesitate(self) -> None:
        """The plan is busy with records that are done, and the runner wakes for nothing."""
        self.world.hesitates = True
        self.world.events.append(b.Look())

    @precondition(lambda self: self.loading())
    @rule(number=st.integers(0, 3))
    def load(self, number: int) -> None:
        """A handler is ready."""
        self.world.load(self.pick(number, self.loading()))

    @precondition(lambda self: self.loading())
    @rule(number=st.integers(0, 3))
    def fail_to_load(self, number: int) -> None:
        """A handler can't be imported."""
        self.world.fail_to_load(self.pick(number, self.loading()))

    @precondition(lambda self: self.startable())
    @rule(number=st.integers(0, 3), count=st.integers(1, 3))
    def begin(self, number: int, count: int) -> None:
        """An item begins, or some at once."""
        slot = self.pick(number, self.startable())
        for _ in range(count):
            if slot in self.startable():
                self.world.begin(slot)

    @precondition(lambda self: self.busy())
    @rule(number=st.integers(0, 3), which=st.integers(0, 3), seconds=st.sampled_from([0.0, 1e-4, 0.01, 1.0]))
    def finish(self, number: int, which: int, seconds: float) -> None:
        """An item is recorded."""
        self.world.finish(self.pick(number, self.busy()), which, seconds)

    @precondition(lambda self: self.busy())
    @rule(number=st.integers(0, 3), seconds=st.sampled_from([0.0, 0.01]))
    def acknowledge(self, number: int, seconds: float) -> None:
        """A worker tells how far it is, in the middle of a chunk."""
        self.world.acknowledge(self.pick(number, self.busy()), seconds, last=False)

    @precondition(lambda self: self.busy())
    @rule(number=st.integers(0, 3), ours=st.booleans())
    def die_in_an_item(self, number: int, *, ours: bool) -> None:
        """An item takes its worker down, or we kill it."""
        self.world.die(self.pick(number, self.busy()), ours=ours)

    @precondition(lambda self: self.idle())
    @rule(number=st.integers(0, 3))
    def die_idle(self, number: int) -> None:
        """A worker dies between items."""
        self.world.die(self.pick(number, self.idle()), ours=False)

    @rule(workers=st.integers(1, 5))
    def resize(self, workers: int) -> None:
        """The supervisor shares the workers anew."""
        self.world.events.append(b.Resize(workers))

    @precondition(lambda self: self.world.taken)
    @rule(
        how=st.sampled_from([b.Closing.PAUSE, b.Closing.DRAIN, b.Closing.CANCEL, b.Closing.FAIL]), now=st.integers(0, 9)
    )
    def close(self, how: b.Closing, now: int) -> None:
        """An operator stops the job; seldom, so that most plays go on."""
        if now == 0:
            self.world.events.append(b.Close(how, "told to"))

    @invariant()
    def every_item_is_in_one_place(self) -> None:
        """Outstanding in one slot, in `back`, or settled."""
        if not hasattr(self, "world"):
            return
        world, book = self.world, self.world.book
        places = Counter(n for chunk in book.back for n in chunk.ns)
        for slot in book.slots.values():
            assert slot.state is not b.SlotState.EMPTY or not slot.outstanding
            for chunk in slot.outstanding:
                places.update(chunk.ns[slot.done.get(chunk.key, 0) :])
        assert not places or max(places.values()) == 1
        missing = world.taken - set(places)
        assert missing <= world.told | world.quarantined
        assert not set(places) & world.quarantined

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Who was asked for items has some; who is past the workers wanted was asked, or told to go."""
        if not hasattr(self, "world") or self.world.events:
            return
        book = self.world.book
        for slot in book.live():
            assert slot.outstanding or not slot.recalled
            assert slot.number < book.wanted or slot.recalled or slot.state is not b.SlotState.READY

    def teardown(self) -> None:
        """Left alone, the run ends; with every item settled once, or left for the next start."""
        if not hasattr(self, "world"):
            return
        world, book = self.world, self.world.book
        world.play_to_the_end()
        assert world.ends == 1
        assert not world.owed
        settled = {n for n, count in world.records.items() if count}
        left = {n for chunk in book.back for n in chunk.ns}
        assert world.taken == settled | left
        assert not settled & left
        if not book.closing:
            assert settled == set(range(world.total))
        book_deaths = {n for n in book.deaths if n in settled}
        assert not book_deaths, "deaths of settled items are forgotten"


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
