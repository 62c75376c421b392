"""What the runner knows about its items in flight, and what follows from each thing that happens.

`decide(book, event)` is the heart of a job: it takes what happened and says which records to write and what to do,
without a clock, a file or a process. The shell writes the records before it acts. Events come in the order in which
they happened, but late: when a worker's acknowledgement is decided on, its death may already wait behind it. So the
shell drops what it is told to do with a worker that is dead; the `Died` that follows takes everything back.

Invariants (checked by a state machine in tests/property):

1. An item that was taken from the plan is in exactly one place: outstanding in one slot, in `back`, waiting for its
   next attempt, or settled.
2. A slot has at most DEEPEST chunks outstanding for each of its lanes; one that has a chunk `alone` has nothing else.
3. Every death is written as `died` for its suspect before the item is tried again; at `poison` deaths the item is
   `quarantined` and never sent again. An item of which nobody knows whether it took effect is `in-doubt`, and is not
   sent again either.
4. Nothing is sent once the book is closing; a closing book ends when nothing is outstanding.
5. The end is announced once, and only when every item taken is settled or (closing) left for the next start.
6. Play that is fair to every worker ends: items go back and forth between workers only while that leaves fewer idle.
7. No attempt begins before it is due, and none past the attempts that the policy gives an item.
8. No more items fail than the limits allow, and those in flight at that moment.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spoold.core.chunk import Chunk, Past
from spoold.core.deaths import died
from spoold.core.dispatch import schedule
from spoold.core.ending import Ending
from spoold.core.events import (
    Acked,
    Action,
    Cause,
    Close,
    Closing,
    Curbed,
    Died,
    End,
    Event,
    Exhausted,
    Feed,
    Grant,
    Loaded,
    LoadFailed,
    Look,
    Outcome,
    Recall,
    Record,
    Resize,
    Retire,
    Send,
    Spawn,
    Tired,
)
from spoold.core.failures import FailureCount
from spoold.core.pace import DEEPEST, Pace
from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.rate import Rate
from spoold.core.slot import Slot, SlotState
from spoold.core.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEEPEST",
    "LOAD_TRIES",
    "Acked",
    "Action",
    "Book",
    "Cause",
    "Chunk",
    "Close",
    "Closing",
    "Curbed",
    "Died",
    "End",
    "Ending",
    "Event",
    "Exhausted",
    "Feed",
    "Grant",
    "LoadFailed",
    "Loaded",
    "Look",
    "Outcome",
    "Past",
    "Recall",
    "Record",
    "Resize",
    "Retire",
    "Send",
    "Slot",
    "SlotState",
    "Spawn",
    "Tired",
    "decide",
]

LOAD_TRIES: Final = 3


@dataclass(slots=True)
class Book:
    """The state that `decide` works on.

    Attributes:
        wanted: workers this job may have now.
        poison: deaths after which an item is quarantined.
        lanes: chunks that a worker runs at once, each item by item.
        batch: items that the handler gets at once.
        policy: when an attempt is followed by another.
        recycle: when a worker is replaced.
        failures: how many items failed, and whether that is too many.
        rate: when the next item may start.
        deaths: worker deaths each unfinished item is suspected of.
        back: chunks that came back, to be sent before anything new.
        waiting: items that wait for their next attempt.
        exhausted: the plan has no more items.
        upcoming: items the plan still holds; None while the source is being read.
        barrier: the plan waits until nothing is outstanding.
        dry: the plan waits for something from elsewhere, and has nothing before that comes.
        load_failures: tries to load the handler that failed, in a row, without one item finished.
        now: the time of the event that was decided on last, in seconds of the monotonic clock.
    """

    wanted: int
    poison: int
    lanes: int = 1
    batch: int = 1
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    recycle: Recycling = field(default_factory=Recycling)
    failures: FailureCount = field(default_factory=lambda: FailureCount(FailureLimits()))
    rate: Rate = field(default_factory=lambda: Rate(None, 0.0, began_before=False))
    deaths: dict[int, int] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    back: deque[Chunk] = field(default_factory=deque)
    waiting: Waiting = field(default_factory=Waiting)
    exhausted: bool = False
    upcoming: int | None = None
    barrier: bool = False
    dry: bool = False
    closing: Closing = Closing.NO
    reason: str | None = None
    load_failures: int = 0
    ended: bool = False
    pace: Pace = field(default_factory=Pace)
    next_key: int = 1
    now: float = 0.0

    def in_flight(self) -> int:
        """Items that run now, as far as is known."""
        return sum(min(slot.left(), self.lanes * self.batch) for slot in self.slots.values())

    def live(self) -> list[Slot]:
        """Slots with a process."""
        return [slot for slot in self.slots.values() if slot.state is not SlotState.EMPTY]

    def fillable(self) -> list[Slot]:
        """Slots that may get items."""
        return [slot for slot in self.slots.values() if slot.fillable(self.wanted, self.recycle.items)]

    def all_settled(self) -> bool:
        """Whether nothing that was taken from the plan is open."""
        return not self.back and not self.waiting and not any(slot.outstanding for slot in self.slots.values())

    def nothing_left(self) -> bool:
        """Whether every item is settled, as far as anybody knows of the source's end."""
        return self.all_settled() and (self.exhausted or self.upcoming == 0)

    def wake_at(self) -> float | None:
        """When there will be something to decide on though nothing happens; None: never."""
        if self.ended or self.closing:
            return None
        times = [self.waiting.next_due, self.rate.next_at if self.back or self.waiting or not self.exhausted else None]
        return min((time for time in times if time is not None and time > self.now), default=None)

    def new_key(self) -> int:
        """A number for the next chunk."""
        self.next_key += 1
        return self.next_key

    def give(self, slot: int, chunk: Chunk) -> None:
        """Note that the shell sent `chunk` to the slot, as a `Feed` asked."""
        self.slots[slot].take(chunk)
        self.rate.spend(len(chunk), self.now)

    def close(self, how: Closing, reason: str | None) -> None:
        """Start nothing more, for this reason if it is stronger than the one before."""
        if how > self.closing:
            self.closing, self.reason = how, reason

    def settled(self, positions: Iterable[int]) -> None:
        """These items have their final records: nothing is held against them or the handler any more."""
        self.load_failures = 0
        if self.deaths:
            for n in positions:
                self.deaths.pop(n, None)

    def ended_badly(self, ending: Ending) -> None:
        """An attempt did not end ok: it counts towards the limits, or the job is held for its next one."""
        if ending.status in ("failed", "quarantined"):
            self.failures.failed(ending.kind, ending.message)
        elif ending.hold:
            self.rate.hold(self.now + ending.wait)
        elif not ending.again:
            self.failures.skipped()

    def put_off(self, chunk: Chunk, i: int, wait: float, past: Past | None) -> None:
        """Let an item wait for its next attempt; one that ran out of memory has it alone and soon."""
        starved = past is not None and past.strikes > 0
        one = chunk.one(self.new_key(), i, past, alone=starved)
        if starved and wait <= 0:
            self.back.append(one)
        else:
            self.waiting.push(self.now + wait, one)


def decide(book: Book, event: Event, now: float) -> Outcome:
    """What must be written and done now that `event` happened; `book` is brought up to date."""
    out = Outcome()
    book.now = now
    _take_in(book, event, out)
    if (trip := book.failures.tripped()) is not None:
        book.close(Closing.FAIL if trip.fatal else Closing.PAUSE, trip.reason)
    _curb(book, out)
    schedule(book, out)
    for slot in book.live():  # last: who may go on finds out first that it has to stop
        if slot.asks:
            _answer(book, slot, out)
    return out


def _take_in(book: Book, event: Event, out: Outcome) -> None:
    match event:
        case Loaded(slot):
            _loaded(book, book.slots[slot], out)
        case LoadFailed(slot, error):
            _load_failed(book, slot, error)
        case Acked():
            _acked(book, event)
        case Died():
            if died(book, event, out):
                _blame_handler(book, book.slots[event.slot], f"a worker ended before it began an item: {event.why}")
            book.slots[event.slot].empty()
        case _:
            _take_note(book, event)


def _take_note(book: Book, event: Tired | Curbed | Exhausted | Close | Resize | Look) -> None:
    match event:
        case Tired(slot):
            book.slots[slot].tired = True
        case Curbed(slot, credit, failed):
            book.slots[slot].curbed(credit, failed)
        case Exhausted():
            book.exhausted = True
        case Close(how, reason):
            book.close(how, reason)
        case Resize(workers):
            book.wanted = workers
        case Look():
            pass


def _loaded(book: Book, slot: Slot, out: Outcome) -> None:
    if slot.state is SlotState.LOADING:  # else it was retired meanwhile
        slot.state = SlotState.READY
        _grant(book, slot, out)


def _load_failed(book: Book, number: int, error: str) -> None:
    """One that was retired while it loaded was not needed, so its failure fails nothing."""
    slot = book.slots[number]
    if slot.state is not SlotState.LEAVING:
        _blame_handler(book, slot, error)
    slot.empty()


def _blame_handler(book: Book, slot: Slot, error: str) -> None:
    """Workers that were started together are one try, so that killing all of them at once is no three."""
    if slot.tried == book.load_failures:
        book.load_failures += 1
    if book.load_failures >= LOAD_TRIES:
        book.close(Closing.FAIL, error)


def _acked(book: Book, event: Acked) -> None:
    slot = book.slots[event.slot]
    chunk = slot.outstanding[event.key]
    before = slot.done.get(event.key, 0)
    book.pace.observe(event.done - before, event.seconds)
    if event.done > before:
        slot.proven = True
        if event.endings:
            _mixed(book, slot, chunk, before, event)
        else:
            book.settled(chunk.ns[before : event.done])
            book.failures.succeeded(event.done - before)
    slot.done[event.key] = event.done
    slot.asks = slot.asks or event.waits
    if event.fatal is not None:
        book.close(Closing.FAIL, event.fatal)
    if event.last:
        _give_back(book, slot, chunk, event.done)


def _mixed(book: Book, slot: Slot, chunk: Chunk, before: int, event: Acked) -> None:
    """Some of the items did not end ok: take them in the order in which they ended."""
    endings = {ending.n: ending for ending in event.endings}
    for i in range(before, event.done):
        ending = endings.get(chunk.ns[i])
        if ending is None or not ending.again:
            book.settled((chunk.ns[i],))
        if ending is None:
            book.failures.succeeded()
            continue
        book.ended_badly(ending)
        slot.failed += ending.status == "failed"
        slot.tired |= ending.starved
        if ending.again:
            book.put_off(chunk, i, ending.wait, ending.past)


def _give_back(book: Book, slot: Slot, chunk: Chunk, done: int) -> None:
    """A chunk ended in its worker: what was not begun there is sent anew."""
    del slot.outstanding[chunk.key], slot.done[chunk.key]
    if done < len(chunk):
        slot.given -= len(chunk) - done
        book.back.append(chunk.pick(book.new_key(), list(range(done, len(chunk))), alone=chunk.alone))
    if not slot.outstanding:
        slot.recalled = False


def _answer(book: Book, slot: Slot, out: Outcome) -> None:
    """Let a worker go on that asked, unless then more could fail than the allowance and one for each other worker.

    Then others have more than they may have by now. `_curb` takes that back; what it comes too late for has failed
    already, and is on its way here.
    """
    ready = sum(other.state is not SlotState.LOADING for other in book.live())
    if book.closing or _unused(book, slot) <= book.failures.allowance + ready - 2:
        _grant(book, slot, out)


def _grant(book: Book, slot: Slot, out: Outcome) -> None:
    """Let the worker have its share of the failures that the limits still allow, and one in any case."""
    allowance = book.failures.allowance
    share = max(1, min(allowance // len(book.live()), allowance - _unused(book, slot)))
    slot.told = slot.credit = slot.failed + share
    slot.asks = False
    out.actions.append(Grant(slot.number, slot.told))


def _unused(book: Book, but: Slot | None = None) -> int:
    """How many items may fail, at most, before every worker `but` this one has asked."""
    return sum(slot.unused() for slot in book.live() if slot is not but)


def _curb(book: Book, out: Outcome) -> None:
    """Where workers may have more failures than the limits allow by now, take back what they did not use."""
    allowance = book.failures.allowance
    if _unused(book) <= allowance:
        return
    share = max(1, allowance // len(book.live()))
    for slot in book.live():
        if slot.told - slot.failed > share:
            slot.told = slot.failed + share
            out.actions.append(Grant(slot.number, slot.told, go=False))
