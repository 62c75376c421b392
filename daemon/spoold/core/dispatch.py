"""Who gets which items next: the part of a book's decisions that looks at all slots together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spoold.core.events import End, Feed, Outcome, Recall, Retire, Send, Spawn
from spoold.core.slot import Slot, SlotState

if TYPE_CHECKING:
    from spoold.core.book import Book
    from spoold.core.chunk import Chunk

DEPTH: Final = 2
"""Chunks outstanding in a slot, so that a worker never waits for the runner."""


def schedule(book: Book, out: Outcome) -> None:
    """Add what to do now to `out`: fork, feed, send, recall, retire, or end."""
    if book.ended:
        return
    finished = book.exhausted and not book.back and not book.outstanding()
    if book.closing or finished:
        _wind_up(book, out)
        return
    _fit(book, out)
    _fill(book, out)
    _spread(book, out)


def _wind_up(book: Book, out: Outcome) -> None:
    """Take back what has not begun, let idle workers go, and end when none is left."""
    for slot in book.live():
        if slot.state is not SlotState.LEAVING:
            _let_go(slot, out)
    if not book.live():
        book.ended = True
        out.actions.append(End())


def _let_go(slot: Slot, out: Outcome) -> None:
    """Retire the slot's worker, once it has given back what it has not begun."""
    if not slot.outstanding:
        slot.state = SlotState.LEAVING
        out.actions.append(Retire(slot.number))
    elif not slot.recalled:
        slot.recalled = True
        out.actions.append(Recall(slot.number))


def _fit(book: Book, out: Outcome) -> None:
    """Fork workers for the free slots while there is work for them, let those past `wanted` go."""
    coming = book.wanted if book.upcoming is None else book.upcoming
    if not book.exhausted:
        coming = max(coming, 1)  # somebody has to ask the plan, even if only for its end
    work = sum(map(len, book.back)) + coming
    slots = [book.slots.setdefault(number, Slot(number)) for number in range(book.wanted)]
    idle = sum(slot.state in (SlotState.LOADING, SlotState.READY) and not slot.outstanding for slot in slots)
    for slot in slots:
        if slot.state is SlotState.EMPTY and idle < work and not _somebody_tries(book):
            slot.state, slot.tried = SlotState.LOADING, book.load_failures
            idle += 1
            out.actions.append(Spawn(slot.number))
    for slot in book.live():
        if slot.number >= book.wanted and slot.state is SlotState.READY:
            _let_go(slot, out)


def _somebody_tries(book: Book) -> bool:
    """When the handler failed to load the last time, one worker tries; the others wait for what comes of it."""
    return book.load_failures > 0 and any(slot.state is SlotState.LOADING for slot in book.slots.values())


def _fill(book: Book, out: Outcome) -> None:
    """Keep DEPTH chunks of quick items with each worker; but nobody gets a second one before everybody has one."""
    depth_now = DEPTH if book.pace.quick else 1
    slots = book.fillable()
    expected = {slot.number: len(slot.outstanding) for slot in slots}
    for depth in range(1, depth_now + 1):
        short = [slot for slot in slots if expected[slot.number] < depth]
        for sharers, slot in zip(range(len(short), 0, -1), short, strict=True):
            if not any(chunk.alone for chunk in slot.outstanding):
                expected[slot.number] += _serve(book, slot, sharers, out)


def _serve(book: Book, slot: Slot, sharers: int, out: Outcome) -> bool:
    """One chunk for the slot, or the order to take one from the plan; False when there is nothing for it now."""
    if book.back:
        chunk = _from_back(book, slot, sharers)
        if chunk is None:
            return False
        slot.outstanding.append(chunk)
        out.actions.append(Send(slot.number, chunk))
        return True
    if book.exhausted or book.barrier:
        return False
    out.actions.append(Feed(slot.number, book.pace.size))
    return True


def _from_back(book: Book, slot: Slot, sharers: int) -> Chunk | None:
    """The next returned chunk that may go to this slot, cut so that it is no more than the slot's share of all of them.

    Without that, one idle worker would get everything, the others would be idle still, and it would be recalled again
    before it had begun.
    """
    chunk = book.back[0]
    if chunk.alone:
        return None if slot.outstanding else book.back.popleft()
    share = -(-sum(map(len, book.back)) // sharers)
    size = min(book.pace.size, share)
    if len(chunk) <= size:
        return book.back.popleft()
    book.back[0] = chunk.pick(book.new_key(), list(range(size, len(chunk))))
    return chunk.pick(book.new_key(), list(range(size)))


def _spread(book: Book, out: Outcome) -> None:
    """When a worker idles and nothing is left to send, ask the one with the most unbegun items to hand them back."""
    if book.back or not (book.exhausted or book.barrier):
        return
    ready = book.fillable()
    if all(slot.outstanding for slot in ready):
        return
    loaded = [slot for slot in ready if book.pace.worth(slot.left())]
    if loaded:
        busiest = max(loaded, key=Slot.left)
        busiest.recalled = True
        out.actions.append(Recall(busiest.number))
