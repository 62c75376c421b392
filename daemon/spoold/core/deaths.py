"""What follows from a worker's death for the items it had: who is blamed, and who merely was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.core.ending import IN_DOUBT, MEMORY, POISONOUS, TIMEOUT, WORKER_DIED, Ending
from spoold.core.events import Cause, Died, Outcome, Record

if TYPE_CHECKING:
    from spoold.core.book import Book

STRIKES: Final = 2
"""Times that an item may run out of memory: the second time it was alone."""


def died(book: Book, event: Died, out: Outcome) -> bool:
    """Take back what the worker had, and write what must be known of it; whether its handler is to blame.

    It is when the worker had work and did not get to it.
    """
    slot = book.slots[event.slot]
    endings = {ending.n: ending for ending in event.endings}
    if event.settled:
        book.settled(event.settled)
        book.failures.succeeded(len(event.settled - endings.keys()))
    for ending in event.endings:
        book.ended_badly(ending)
    for chunk in slot.outstanding.values():
        _take_back(book, chunk, slot.done.get(chunk.key, 0), event, endings, out)
    begun = event.suspects or event.settled or event.endings or event.doubtful
    return bool(slot.outstanding) and not (slot.proven or event.cause is Cause.OURS or begun)


def _take_back(book: Book, chunk: Chunk, done: int, event: Died, endings: dict[int, Ending], out: Outcome) -> None:
    suspects = () if event.cause is Cause.OURS else event.suspects
    unblamed = []
    for i in range(done, len(chunk)):
        n = chunk.ns[i]
        if n in event.settled:
            continue
        if chunk.pasts is not None or n in event.pasts:
            chunk = _with_past(chunk, i, event.pasts.get(n, chunk.past(i)))
        ending = endings.get(n)
        if ending is not None:
            book.put_off(chunk, i, ending.wait, ending.past)
        elif n in event.doubtful:
            _record(book, out, Record(chunk, i, "in-doubt", IN_DOUBT, event.doubtful[n], event.slot))
        elif n in suspects:
            _blame(book, chunk, i, event, out, alone=chunk.alone or len(suspects) == 1)
        else:
            unblamed.append(i)
    if unblamed:
        book.back.appendleft(chunk.pick(book.new_key(), unblamed, alone=chunk.alone))


def _with_past(chunk: Chunk, i: int, past: Past | None) -> Chunk:
    pasts = list(chunk.pasts or [None] * len(chunk))
    pasts[i] = past
    return msgspec.structs.replace(chunk, pasts=pasts)


def _blame(book: Book, chunk: Chunk, i: int, event: Died, out: Outcome, *, alone: bool) -> None:
    """Several suspects: each is tried once alone first, and only a death alone counts."""
    if not alone:
        book.back.append(chunk.one(book.new_key(), i, chunk.past(i), alone=True))
    elif event.cause is Cause.MEMORY:
        _starved(book, chunk, i, event, out)
    else:
        _killed(book, chunk, i, event, out)


def _starved(book: Book, chunk: Chunk, i: int, event: Died, out: Outcome) -> None:
    """Out of memory: once more alone, for its worker may have been full of what others left."""
    past = chunk.past(i) or Past()
    _record(book, out, Record(chunk, i, "died", MEMORY, event.why, event.slot))
    if past.strikes + 1 >= STRIKES:
        _record(book, out, Record(chunk, i, "failed", MEMORY, event.why, event.slot))
        return
    again = msgspec.structs.replace(past, strikes=past.strikes + 1)
    book.back.append(chunk.one(book.new_key(), i, again, alone=True))


def _killed(book: Book, chunk: Chunk, i: int, event: Died, out: Outcome) -> None:
    """A death costs no attempt, unless it was the end of the attempt's time; it counts towards `poison`."""
    n, late = chunk.ns[i], event.cause is Cause.TIMEOUT
    count = book.deaths[n] = book.deaths.get(n, 0) + 1
    _record(book, out, Record(chunk, i, "died", TIMEOUT if late else WORKER_DIED, event.why, event.slot))
    past = chunk.past(i) or Past()
    if count >= book.poison and (not late or _another(book, past)):
        message = f"its worker died {count} times, at last: {event.why}"
        _record(book, out, Record(chunk, i, "quarantined", POISONOUS, message, event.slot))
    elif not late:
        book.back.append(chunk.one(book.new_key(), i, chunk.past(i), alone=True))
    elif _another(book, past):
        wait = book.policy.wait(past.attempt, event.luck)
        _record(book, out, Record(chunk, i, "retry", TIMEOUT, event.why, event.slot, wait))
        book.put_off(chunk, i, wait, msgspec.structs.replace(past, attempt=past.attempt + 1))
    else:
        _record(book, out, Record(chunk, i, "failed", TIMEOUT, event.why, event.slot))


def _record(book: Book, out: Outcome, record: Record) -> None:
    out.records.append(record)
    if record.status in ("failed", "quarantined"):
        book.deaths.pop(record.n, None)
        book.failures.failed(record.kind, record.message)
    elif record.status == "in-doubt":
        book.deaths.pop(record.n, None)
        book.failures.skipped()


def _another(book: Book, past: Past) -> bool:
    """Whether an attempt that ran out of time is followed by another."""
    return book.policy.timeouts and past.attempt < book.policy.attempts
