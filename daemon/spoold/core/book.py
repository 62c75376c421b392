"""What the runner knows about its items in flight, and what follows from each thing that happens.

`decide(book, event)` is the heart of a job: it takes what happened and says which records to write and what to do, without a clock, a file or a process. The
shell writes the records before it acts.

Invariants (checked by a state machine in tests/property):

1. An item that was taken from the plan is in exactly one place: outstanding in one slot, waiting in `back`, or settled.
2. A slot has at most DEPTH chunks outstanding; one that has a chunk `alone` has nothing else.
3. Every death is written as `died` for its suspect before the item is tried again; at `poison` deaths the item is `quarantined` and never sent again.
4. Nothing is sent once the book is closing; a closing book ends when nothing is outstanding.
5. The end is announced once, and only when every item taken is settled or (closing) left for the next start.

A slot:

    EMPTY ──Spawn──▶ LOADING ──Loaded──▶ READY ──Retire──▶ LEAVING ──Died──▶ EMPTY
                        └──LoadFailed/Died──▶ EMPTY         (Died from READY too: then the suspect is blamed)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from typing import Final

from spoold.core.chunk import Chunk
from spoold.core.pace import Pace

DEPTH: Final = 2
"""Chunks outstanding in a slot, so that a worker never waits for the runner."""
LOAD_TRIES: Final = 3


class SlotState(Enum):
    """Where a worker's life stands."""

    EMPTY = auto()
    LOADING = auto()
    READY = auto()
    LEAVING = auto()


class Closing(IntEnum):
    """Why no more items start, the stronger the later; a book only moves up."""

    NO = 0
    PAUSE = 1
    DRAIN = 2
    CANCEL = 3
    FAIL = 4


@dataclass(slots=True)
class Slot:
    """One place for a worker."""

    number: int
    state: SlotState = SlotState.EMPTY
    outstanding: list[Chunk] = field(default_factory=list)
    done: dict[int, int] = field(default_factory=dict)
    recalled: bool = False

    def left(self) -> int:
        """Items sent here and not yet acknowledged."""
        return sum(len(chunk) - self.done.get(chunk.key, 0) for chunk in self.outstanding)


# ---------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker has its handler."""

    slot: int


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The handler could not be imported or constructed, or the worker died over it."""

    slot: int
    error: str


@dataclass(frozen=True, slots=True)
class Acked:
    """The first `done` items of a chunk have their records; with `last`, the rest comes back unbegun."""

    slot: int
    key: int
    done: int
    last: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Died:
    """A worker's process ended.

    Attributes:
        settled: positions that have their final record, among those outstanding.
        suspects: positions begun without a record.
        why: the end in words.
        ours: we killed it for a reason that is not the item's.
    """

    slot: int
    settled: frozenset[int]
    suspects: tuple[int, ...]
    why: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The plan has no more items."""


@dataclass(frozen=True, slots=True)
class Close:
    """Start nothing more."""

    how: Closing
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """So many workers are ours from now on."""

    workers: int


@dataclass(frozen=True, slots=True)
class Look:
    """Nothing happened; see what can be done."""


Event = Loaded | LoadFailed | Acked | Died | Exhausted | Close | Resize | Look

# ---------------------------------------------------------------------- what follows


@dataclass(frozen=True, slots=True)
class Record:
    """An item record that the runner writes for a dead worker: `died` or `quarantined`."""

    n: int
    id: str
    raw: bytes
    line: int | None
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """Fork a worker into the slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Take up to `size` items from the plan and hand them to the slot through `Book.give`."""

    slot: int
    size: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send this chunk to the slot."""

    slot: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask the slot for its unbegun items back."""

    slot: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Let the worker of the slot end: nothing is outstanding there."""

    slot: int


@dataclass(frozen=True, slots=True)
class End:
    """Every worker is gone and nothing is outstanding."""


Action = Spawn | Feed | Send | Recall | Retire | End


@dataclass(slots=True)
class Outcome:
    """What to write, then what to do, in this order."""

    records: list[Record] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


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
        load_failures: in a row, without one item finished.
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

    def new_key(self) -> int:
        """A number for the next chunk."""
        self.next_key += 1
        return self.next_key

    def give(self, slot: int, chunk: Chunk) -> None:
        """Note that the shell sent `chunk` to the slot, as a `Feed` asked."""
        self.slots[slot].outstanding.append(chunk)


def decide(book: Book, event: Event) -> Outcome:
    """What must be written and done now that `event` happened; `book` is brought up to date."""
    out = Outcome()
    match event:
        case Loaded(slot):
            book.slots[slot].state = SlotState.READY
        case LoadFailed(slot, error):
            _load_failed(book, slot, error)
        case Acked():
            _acked(book, event)
        case Died():
            _died(book, event, out)
        case Exhausted():
            book.exhausted = True
        case Close(how, reason):
            if how > book.closing:
                book.closing, book.reason = how, reason
        case Resize(workers):
            book.wanted = workers
        case Look():
            pass
    _schedule(book, out)
    return out


def _load_failed(book: Book, number: int, error: str) -> None:
    """Also a worker that dies between items without having finished one: no item can be blamed, so the handler is."""
    book.slots[number].state = SlotState.EMPTY
    book.load_failures += 1
    if book.load_failures >= LOAD_TRIES and book.closing < Closing.FAIL:
        book.closing, book.reason = Closing.FAIL, error


def _acked(book: Book, event: Acked) -> None:
    slot = book.slots[event.slot]
    chunk = next(chunk for chunk in slot.outstanding if chunk.key == event.key)
    before = slot.done.get(event.key, 0)
    book.pace.observe(event.done - before, event.seconds)
    if event.done > before:
        book.load_failures = 0
    if book.deaths:
        for n in chunk.ns[before : event.done]:
            book.deaths.pop(n, None)
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
    suspects = () if event.ours else event.suspects
    for chunk in slot.outstanding:
        rest = [i for i, n in enumerate(chunk.ns) if i >= slot.done.get(chunk.key, 0) and n not in event.settled]
        for i in (i for i in rest if chunk.ns[i] in suspects):
            _blame(book, chunk, i, event, out, alone=chunk.alone or len(suspects) == 1)
        unblamed = [i for i in rest if chunk.ns[i] not in suspects]
        if unblamed:
            book.back.appendleft(chunk.pick(book.new_key(), unblamed, alone=chunk.alone))
    for n in event.settled:
        book.deaths.pop(n, None)
    leaving = slot.state is SlotState.LEAVING
    slot.outstanding.clear()
    slot.done.clear()
    slot.recalled = False
    slot.state = SlotState.EMPTY
    if not (leaving or event.ours or event.suspects or event.settled):
        _load_failed(book, slot.number, f"a worker ended without having begun an item: {event.why}")


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


# ---------------------------------------------------------------------- scheduling


def _schedule(book: Book, out: Outcome) -> None:
    if book.ended:
        return
    finished = book.exhausted and not book.back and not book.outstanding()
    if book.closing or finished:
        _wind_up(book, out)
        return
    _fit(book, out)
    for slot in book.slots.values():
        if slot.state is SlotState.READY and slot.number < book.wanted and not slot.recalled:
            _fill(book, slot, out)
    _spread(book, out)


def _wind_up(book: Book, out: Outcome) -> None:
    """Take back what has not begun, let idle workers go, and end when none is left."""
    for slot in book.live():
        if slot.state is SlotState.LOADING and not slot.outstanding:
            _retire(slot, out)
        elif slot.state is SlotState.READY:
            if not slot.outstanding:
                _retire(slot, out)
            elif not slot.recalled:
                slot.recalled = True
                out.actions.append(Recall(slot.number))
    if not book.live():
        book.ended = True
        out.actions.append(End())


def _retire(slot: Slot, out: Outcome) -> None:
    slot.state = SlotState.LEAVING
    out.actions.append(Retire(slot.number))


def _fit(book: Book, out: Outcome) -> None:
    """Fork workers for the free slots while there is work for them, retire those past `wanted`."""
    work = sum(map(len, book.back)) + (book.wanted if book.upcoming is None else book.upcoming)
    idle = sum(not slot.outstanding for slot in book.live())
    for number in range(book.wanted):
        slot = book.slots.setdefault(number, Slot(number))
        if slot.state is SlotState.EMPTY and idle < work:
            slot.state = SlotState.LOADING
            idle += 1
            out.actions.append(Spawn(number))
    for slot in book.live():
        if slot.number < book.wanted or slot.state is not SlotState.READY:
            continue
        if not slot.outstanding:
            _retire(slot, out)
        elif not slot.recalled:
            slot.recalled = True
            out.actions.append(Recall(slot.number))


def _fill(book: Book, slot: Slot, out: Outcome) -> None:
    """Keep DEPTH chunks with a worker; a suspect gets one for itself alone."""
    feeding = 0
    while len(slot.outstanding) + feeding < DEPTH:
        if any(chunk.alone for chunk in slot.outstanding):
            return
        if book.back:
            chunk = _from_back(book, slot)
            if chunk is None:
                return
            slot.outstanding.append(chunk)
            out.actions.append(Send(slot.number, chunk))
        elif not book.exhausted and not book.barrier:
            feeding += 1
            out.actions.append(Feed(slot.number, book.pace.size))
        else:
            return


def _from_back(book: Book, slot: Slot) -> Chunk | None:
    """The next returned chunk that may go to this slot, cut to the present size."""
    chunk = book.back[0]
    if chunk.alone:
        if slot.outstanding:
            return None
        return book.back.popleft()
    size = book.pace.size
    if len(chunk) <= size:
        return book.back.popleft()
    book.back[0] = chunk.pick(book.new_key(), list(range(size, len(chunk))))
    return chunk.pick(book.new_key(), list(range(size)))


def _spread(book: Book, out: Outcome) -> None:
    """When a worker idles and nothing is left to send, ask the one with the most unbegun items to hand them back."""
    if book.back or not (book.exhausted or book.barrier):
        return
    idle = any(s.state is SlotState.READY and not s.outstanding and s.number < book.wanted for s in book.slots.values())
    if not idle:
        return
    loaded = [s for s in book.slots.values() if s.state is SlotState.READY and not s.recalled and book.pace.worth(s.left())]
    if loaded:
        busiest = max(loaded, key=Slot.left)
        busiest.recalled = True
        out.actions.append(Recall(busiest.number))
