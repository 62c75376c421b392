"""The book's decisions, played against every order of loads, ends, deaths, commands and the clock."""

from __future__ import annotations

import sys

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.property.book_world import World

from spoold.core import book as b
from spoold.core import waiting
from spoold.core.failures import FailureCount
from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.rate import Rate

POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 3),
    backoff=st.sampled_from([0.0, 0.5]),
    max_backoff=st.sampled_from([0.0, 0.7, 60.0]),
    on=st.sampled_from([("ConnectionError",), ("ConnectionError", "TimeoutError")]),
)
LIMITS = st.just(FailureLimits()) | st.builds(
    FailureLimits,
    most=st.none() | st.integers(0, 30),
    share=st.none() | st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    after=st.integers(0, 40),
    streak=st.integers(1, 40),
)
NUMBER = st.integers(0, 3)
LUCK = st.sampled_from([0.0, 0.5, 1.0])
WAITS = st.sampled_from([0.0, 0.001, 0.3, 3.0])
HOW = ("raised", "failed", "skipped", "later", "memory", "hold", "in-doubt", "fatal")
ENDS = ("raised", "raised", "failed", "failed", "skipped", "later", "memory", "hold", *b.Cause)


class BookMachine(RuleBasedStateMachine):
    """Hypothesis plays against the book."""

    @initialize(
        items=st.integers(0, 40) | st.integers(20, 60),
        aside=st.integers(0, 3),
        wanted=st.integers(1, 4),
        poison=st.integers(1, 3),
        died_before=st.sets(st.integers(0, 5), max_size=2),
        known=st.integers(0, 2),
        policy=POLICIES,
        limits=LIMITS,
        recycle=st.none() | st.integers(1, 6),
        rate=st.none() | st.none() | st.sampled_from([0.5, 30.0, 250.0]),
        at_most_once=st.sampled_from([False, False, True]),
        several=st.booleans(),
        lanes=st.sampled_from([1, 1, 2, 3]),
        batch=st.sampled_from([1, 1, 1, 4]),
        most=st.sampled_from([2, 10_000]),
        odd=st.dictionaries(st.integers(0, 40), st.sampled_from(["malformed", "waits", "starved"]), max_size=5),
    )
    def begin_run(
        self,
        items: int,
        aside: int,
        wanted: int,
        poison: int,
        died_before: set[int],
        known: int,
        *,
        policy: RetryPolicy,
        limits: FailureLimits,
        recycle: int | None,
        rate: float | None,
        at_most_once: bool,
        several: bool,
        lanes: int,
        batch: int,
        most: int,
        odd: dict[int, str],
    ) -> None:
        """A run, perhaps one that goes on where another died, and of whose items something is known."""
        waiting.MOST = most  # type: ignore[misc]
        several = several or lanes > 1
        book = b.Book(
            wanted=wanted,
            poison=poison,
            lanes=lanes,
            batch=batch,
            policy=policy,
            recycle=Recycling(items=recycle),
            failures=FailureCount(FailureLimits() if several else limits),
            rate=Rate(rate, 100.0, began_before=bool(died_before)),
            deaths=dict.fromkeys(died_before, poison - 1) if poison > 1 else {},
            now=100.0,
        )
        for _ in range(known):
            book.pace.observe(1, 0.004)
        self.world = World(book, items, aside, at_most_once=at_most_once)
        # only what runs one item at a time can be stopped by the number of failures it may have
        self.several = several
        if several:
            self.world.odd = {n: how for n, how in odd.items() if n not in died_before}

    # ------------------------------------------------------------------ whom it may happen to

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
        """Slots whose worker can begin an item now or is done with a chunk."""
        return [s for s, w in self.world.workers.items() if w.can_go_on() and (self.several or not w.begun)]

    def busy(self) -> list[int]:
        """Slots whose worker is in an item."""
        return [slot for slot, worker in self.world.workers.items() if worker.begun]

    def in_order(self) -> list[int]:
        """Those of them that ended every item before the first one begun, and wait for nothing."""
        return [slot for slot in self.busy() if self.world.workers[slot].in_order()]

    # ------------------------------------------------------------------ what happens

    @precondition(lambda self: self.world.events)
    @rule(count=st.integers(1, 4))
    def decide(self, count: int) -> None:
        """The runner gets to some of its events."""
        for _ in range(min(count, len(self.world.events))):
            self.world.decide_next()

    @rule(rounds=st.integers(1, 3))
    def play(self, rounds: int) -> None:
        """For a while everybody gets their turn."""
        for _ in range(rounds):
            self.world.play_a_round()

    @rule(seconds=st.sampled_from([0.0005, 0.004, 0.03, 0.4, 2.0, 100.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.pass_time(seconds)

    @rule(batch=st.integers(1, 60))
    def hesitate(self, batch: int) -> None:
        """The plan is busy with records that are done, or has few at hand; the runner wakes for nothing."""
        self.world.hesitates, self.world.batch = batch % 2 == 0, batch
        self.world.events.append(b.Look())

    @precondition(lambda self: self.loading())
    @rule(number=NUMBER)
    def load(self, number: int) -> None:
        """A handler is ready."""
        self.world.load(self.pick(number, self.loading()))

    @precondition(lambda self: self.loading())
    @rule(number=NUMBER, now=st.integers(0, 3))
    def fail_to_load(self, number: int, now: int) -> None:
        """A handler can't be imported; seldom, since three in a row end the play."""
        if now == 0:
            self.world.fail_to_load(self.pick(number, self.loading()))

    @precondition(lambda self: self.startable())
    @rule(number=NUMBER, count=st.integers(1, 3))
    def go_on(self, number: int, count: int) -> None:
        """An item begins, or some at once."""
        slot = self.pick(number, self.startable())
        for _ in range(count):
            if slot in self.startable():
                self.world.go_on(slot)

    @precondition(lambda self: self.world.book.lanes > 1 and self.loaded())
    @rule(number=NUMBER)
    def turn(self, number: int) -> None:
        """A worker goes on with another of the chunks that it runs at once."""
        self.world.workers[self.pick(number, self.loaded())].turn(self.world.book.lanes)

    @precondition(lambda self: self.busy())
    @rule(number=NUMBER, which=NUMBER, seconds=st.sampled_from([0.0, 1e-4, 0.01, 1.0]))
    def finish(self, number: int, which: int, seconds: float) -> None:
        """An item is recorded."""
        self.world.finish(self.pick(number, self.busy()), which, seconds)

    @precondition(lambda self: self.in_order())
    @rule(number=NUMBER, how=st.sampled_from(HOW), wait=WAITS, luck=LUCK)
    def end_badly(self, number: int, how: str, wait: float, luck: float) -> None:
        """An item raises."""
        if how != "fatal" or luck:
            self.world.end_badly(self.pick(number, self.in_order()), how, wait, luck)

    @precondition(lambda self: self.loaded())
    @rule(ends=st.lists(st.sampled_from(ENDS), min_size=5, max_size=40), wait=WAITS, luck=LUCK, pace=st.integers(0, 3))
    def storm(self, ends: list[str | b.Cause], wait: float, luck: float, pace: int) -> None:
        """All workers go on, and their items end in one way after the other, while the runner decides on little."""
        world = self.world
        for turn, how in enumerate(ends):
            for slot in self.loading():
                world.load(slot)
            for slot in self.startable():
                world.go_on(slot)
            slots = self.in_order()
            if slots and isinstance(how, str):
                world.end_badly(self.pick(turn, slots), how, wait, luck)
            elif slots and not isinstance(how, str):
                world.die(self.pick(turn, slots), how, luck)
            for _ in range(min(pace, len(world.events))):
                world.decide_next()

    @precondition(lambda self: self.loaded())
    @rule(rounds=st.integers(1, 40), pace=st.integers(0, 4))
    def fail_all(self, rounds: int, pace: int) -> None:
        """For a while, every item of every worker fails, and the runner is slow."""
        for _ in range(rounds):
            for slot in self.in_order():
                self.world.end_badly(slot, "failed", 0.0, 0.5)
            for slot in self.startable():
                self.world.go_on(slot)
            for _ in range(min(pace, len(self.world.events))):
                self.world.decide_next()

    @precondition(lambda self: self.in_order())
    @rule(number=NUMBER, how=st.sampled_from(HOW[:7]), wait=WAITS, luck=LUCK)
    def die_before_telling(self, number: int, how: str, wait: float, luck: float) -> None:
        """An item raises, and its worker is killed with the record written, before it can tell."""
        slot, world = self.pick(number, self.in_order()), self.world
        before = len(world.events)
        worker = world.workers[slot]
        acked, endings = worker.acked, list(worker.endings)
        world.end_badly(slot, how, wait, luck)
        told = world.events.pop()
        assert len(world.events) == before
        assert isinstance(told, b.Acked)
        worker.acked, worker.endings = acked, [*endings, *told.endings]
        world.die(slot, b.Cause.OURS if luck else b.Cause.ITEM)

    @precondition(lambda self: self.busy())
    @rule(number=NUMBER, seconds=st.sampled_from([0.0, 0.01]))
    def acknowledge(self, number: int, seconds: float) -> None:
        """A worker tells how far it is, in the middle of a chunk."""
        self.world.acknowledge(self.pick(number, self.busy()), seconds, last=False)

    @precondition(lambda self: self.busy())
    @rule(
        number=NUMBER,
        cause=st.sampled_from(b.Cause),
        luck=LUCK,
        doubt=st.sampled_from([0, 0, 0, 0, 1, 2]),
        saved=st.none() | st.sampled_from([b"1", b"2"]),
    )
    def die_in_an_item(self, number: int, cause: b.Cause, luck: float, doubt: int, saved: bytes | None) -> None:
        """An item takes its worker down, or we kill it."""
        self.world.die(self.pick(number, self.busy()), cause, luck, doubt, saved)

    @precondition(lambda self: self.idle())
    @rule(number=NUMBER)
    def die_idle(self, number: int) -> None:
        """A worker dies between items."""
        self.world.die(self.pick(number, self.idle()), b.Cause.ITEM)

    @precondition(lambda self: self.loaded())
    @rule(number=NUMBER)
    def tire(self, number: int) -> None:
        """A worker has grown."""
        self.world.events.append(b.Tired(self.pick(number, self.loaded())))

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

    # ------------------------------------------------------------------ what holds

    @invariant()
    def every_item_is_in_one_place(self) -> None:
        """Outstanding in one slot, in `back`, waiting, or settled."""
        if hasattr(self, "world"):
            self.world.check_places()

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """When everything is decided, whoever idles or waits has a reason."""
        if hasattr(self, "world") and not self.world.events:
            self.world.check_nobody_forgotten()

    def teardown(self) -> None:
        """Left alone, the run ends."""
        waiting.MOST = 10_000  # type: ignore[misc]
        if hasattr(self, "world") and sys.exc_info()[0] is None:  # else it is torn down for what was found
            self.world.play_to_the_end()
            self.world.check_end()


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
