"""What the runner knows about its items in flight, and what follows from each thing that happens.

`decide(book, event)` is the heart of a job: it takes what happened and says which records to write and what to do,
without a clock, a file or a process. The shell writes the records before it acts. Events come in the order in which
they happened, but late: when a worker's acknowledgement is decided on, its death may already wait behind it. So the
shell drops what it is told to do with a worker that is dead; the `Died` that follows takes everything back.

Invariants (checked by a state machine in tests/property):

1. An item that was taken from the plan is in exactly one place: outstanding in one slot, waiting in `back`, or settled.
2. A slot has at most DEPTH chunks outstanding; one that has a chunk `alone` has nothing else.
3. Every death is written as `died` for its suspect before the item is tried again; at `poison` deaths the item is
   `quarantined` and never sent again.
4. Nothing is sent once the book is closing; a closing book ends when nothing is outstanding.
5. The end is announced once, and only when every item taken is settled or (closing) left for the next start.
6. Play that is fair to every worker ends: items go back and forth between workers only while that leaves fewer idle.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spoold.core.chunk import Chunk
from spoold.core.dispatch import DEPTH, schedule
from spoold.core.events import (
    Acked,
    Action,
    Close,
    Closing,
    Died,
    End,
    Event,
    Exhausted,
    Feed,
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
)
from spoold.core.pace import Pace
from spoold.core.slot import Slot, SlotState

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEPTH",
    "LOAD_TRIES",
    "Acked",
    "Action",
    "Book",
    "Chunk",
    "Close",
    "Closing",
    "Died",
    "End",
    "Event",
    "Exhausted",
    "Feed",
    "LoadFailed",
    "Loaded",
    "Look",
    "Outcome",
    "Recall",
    "Record",
    "Resize",
    "Retire",
    "Send",
    "Slot",
    "SlotState",
    "Spawn",
    "decide",
]

LOAD_TRIES: Final = 3


@dataclass(slots=True)
class Book:
    """The state that `decide` works on.

    Attributes:
        wanted: workers this job may have now.
        poison: deaths after which an item is quarantined.
        deaths: worker deaths each unfinished item is suspected of.
        back: chunks that came back, to be sent before anything new.
        exhausted: the plan has no more items.
        upcoming: items the plan still holds; None while the source is being read.
        barrier: the plan waits until nothing is outstanding.
        load_failures: tries to load the handler that failed, in a row, without one item finished.
    """

    wanted: int
    poison: int
    deaths: dict[int, int] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    back: deque[Chunk] = field(default_factory=deque)
    exhausted: bool = False
    upcoming: int | None = None
    barrier: bool = False
    closing: Closing = Closing.NO
    reason: str | None = None
    load_failures: int = 0
    ended: bool = False
    pace: Pace = field(default_factory=Pace)
    next_key: int = 1

    def outstanding(self) -> int:
        """Items sent and not acknowledged."""
        return sum(slot.left() for slot in self.slots.values())

    def live(self) -> list[Slot]:
        """Slots with a process."""
        return [slot for slot in self.slots.values() if slot.state is not SlotState.EMPTY]

    def fillable(self) -> list[Slot]:
        """Slots that may get items."""
        return [slot for slot in self.slots.values() if slot.fillable(self.wanted)]

    def new_key(self) -> int:
        """A number for the next chunk."""
        self.next_key += 1
        return self.next_key

    def give(self, slot: int, chunk: Chunk) -> None:
        """Note that the shell sent `chunk` to the slot, as a `Feed` asked."""
        self.slots[slot].outstanding.append(chunk)

    def close(self, how: Closing, reason: str | None) -> None:
        """Start nothing more, for this reason if it is stronger than the one before."""
        if how > self.closing:
            self.closing, self.reason = how, reason

    def finished(self, positions: Iterable[int]) -> None:
        """These items have their final records: nothing is held against them or the handler any more."""
        self.load_failures = 0
        if self.deaths:
            for n in positions:
                self.deaths.pop(n, None)


def decide(book: Book, event: Event) -> Outcome:
    """What must be written and done now that `event` happened; `book` is brought up to date."""
    out = Outcome()
    match event:
        case Loaded(slot):
            _loaded(book.slots[slot])
        case LoadFailed(slot, error):
            _load_failed(book, slot, error)
        case Acked():
            _acked(book, event)
        case Died():
            _died(book, event, out)
        case Exhausted():
            book.exhausted = True
        case Close(how, reason):
            book.close(how, reason)
        case Resize(workers):
            book.wanted = workers
        case Look():
            pass
    schedule(book, out)
    return out


def _loaded(slot: Slot) -> None:
    if slot.state is SlotState.LOADING:  # else it was retired meanwhile
        slot.state = SlotState.READY


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
    chunk = next(chunk for chunk in slot.outstanding if chunk.key == event.key)
    before = slot.done.get(event.key, 0)
    book.pace.observe(event.done - before, event.seconds)
    if event.done > before:
        book.finished(chunk.ns[before : event.done])
        slot.proven = True
    slot.done[event.key] = event.done
    if not event.last:
        return
    slot.outstanding.remove(chunk)
    del slot.done[event.key]
    if event.done < len(chunk):
        book.back.append(chunk.pick(book.new_key(), list(range(event.done, len(chunk))), alone=chunk.alone))
    if not slot.outstanding:
        slot.recalled = False


def _died(book: Book, event: Died, out: Outcome) -> None:
    slot = book.slots[event.slot]
    if event.settled:
        book.finished(event.settled)
    suspects = () if event.ours else event.suspects
    for chunk in slot.outstanding:
        rest = [i for i, n in enumerate(chunk.ns) if i >= slot.done.get(chunk.key, 0) and n not in event.settled]
        for i in (i for i in rest if chunk.ns[i] in suspects):
            _blame(book, chunk, i, event, out, alone=chunk.alone or len(suspects) == 1)
        unblamed = [i for i in rest if chunk.ns[i] not in suspects]
        if unblamed:
            book.back.appendleft(chunk.pick(book.new_key(), unblamed, alone=chunk.alone))
    unused = bool(slot.outstanding) and not (slot.proven or event.ours or event.suspects or event.settled)
    if unused:  # it had work and did not get to it: no item can be blamed, so the handler is
        _blame_handler(book, slot, f"a worker ended without having begun an item: {event.why}")
    slot.empty()


def _blame(book: Book, chunk: Chunk, i: int, event: Died, out: Outcome, *, alone: bool) -> None:
    """Several suspects: each is tried once alone first, and only a death alone counts."""
    n = chunk.ns[i]

    def record(status: str, message: str) -> Record:
        return Record(n, chunk.ids[i], chunk.raws[i], chunk.lines[i] if chunk.lines else None, status, message)

    if alone:
        book.deaths[n] = book.deaths.get(n, 0) + 1
        out.records.append(record("died", event.why))
        if book.deaths[n] >= book.poison:
            count = book.deaths.pop(n)
            out.records.append(record("quarantined", f"its worker died {count} times, at last: {event.why}"))
            return
    book.back.append(chunk.pick(book.new_key(), [i], alone=True))
