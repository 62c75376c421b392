"""Who gets which items next: the part of a book's decisions that looks at all slots together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spoold.core.chunk import join
from spoold.core.events import End, Feed, Outcome, Recall, Retire, Send, Spawn
from spoold.core.slot import Slot, SlotState

if TYPE_CHECKING:
    from spoold.core.book import Book
    from spoold.core.chunk import Chunk

CAREFUL: Final = 512
"""Items in a chunk, at most, while others wait for another attempt."""


def schedule(book: Book, out: Outcome) -> None:
    """Add what to do now to `out`: fork, feed, send, recall, retire, or end."""
    if book.ended:
        return
    finished = book.exhausted and book.all_settled()
    if book.closing or finished:
        _wind_up(book, out)
        return
    _take_due(book)
    _hold(book, out)
    _fit(book, out)
    _fill(book, out)
    _spread(book, out)


def _take_due(book: Book) -> None:
    """Items whose next attempt is due come before anything new; together, once somebody has use for them."""
    if len(book.back) > 2 * book.wanted:
        return
    due = book.waiting.pop_due(book.now)
    book.back += [chunk for chunk in due if chunk.alone]
    together = [chunk for chunk in due if not chunk.alone]
    if together:
        book.back.append(join(book.new_key(), together))


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


def _hold(book: Book, out: Outcome) -> None:
    """While the job is held nothing begins, so take back what has not."""
    if book.rate.held(book.now):
        for slot in book.live():
            if slot.outstanding and not slot.recalled:
                slot.recalled = True
                out.actions.append(Recall(slot.number))


def _fit(book: Book, out: Outcome) -> None:
    """Fork workers for the free slots while there is work for them, let those past `wanted` and worn ones go."""
    work = sum(map(len, book.back)) + _coming(book)
    starved = sum(map(_wants_fresh, book.back))
    slots = [book.slots.setdefault(number, Slot(number)) for number in range(book.wanted)]
    idle = sum(slot.state in (SlotState.LOADING, SlotState.READY) and not slot.outstanding for slot in slots)
    fresh = sum(slot.state is not SlotState.EMPTY and _becomes_fresh(book, slot) for slot in slots)
    for slot in slots:
        if slot.state is SlotState.EMPTY and (idle < work or fresh < starved) and not _somebody_tries(book):
            slot.state, slot.tried = SlotState.LOADING, book.load_failures
            idle, fresh = idle + 1, fresh + 1
            out.actions.append(Spawn(slot.number))
    for slot in book.live():
        worn = slot.tired or (slot.worn(book.recycle.items) and not slot.outstanding)
        if (slot.number >= book.wanted or worn) and slot.state is SlotState.READY:
            _let_go(slot, out)


def _coming(book: Book) -> int:
    """Items that the plan may give now."""
    if book.exhausted or book.waiting.full:
        return 0
    coming = book.wanted if book.upcoming is None else book.upcoming
    return max(coming, 1)  # somebody has to ask the plan, even if only for its end


def _somebody_tries(book: Book) -> bool:
    """When the handler failed to load the last time, one worker tries; the others wait for what comes of it."""
    return book.load_failures > 0 and any(slot.state is SlotState.LOADING for slot in book.slots.values())


def _fill(book: Book, out: Outcome) -> None:
    """Keep so many chunks with each lane as the pace says; but nobody gets a second one before everybody has one.

    Where a rate is set, nobody has more than one: what a worker holds may start at any moment. Where items wait for
    another attempt, nobody has more than two, and short ones: what a worker holds may have to wait too.
    """
    if not (book.back or _may_feed(book)):
        return  # with many lanes, to find that out for each takes long
    allowed = book.rate.free(book.now)
    depth = 1 if book.rate.limited else book.pace.depth
    depth_now = book.lanes * (min(depth, 2) if book.waiting else depth)
    slots = book.fillable()
    expected = {slot.number: len(slot.outstanding) for slot in slots}
    room = {slot.number: slot.room(book.recycle.items) for slot in slots}
    for depth in range(min(expected.values(), default=depth_now) + 1, depth_now + 1):
        short = [slot for slot in slots if expected[slot.number] < depth]
        for sharers, slot in zip(range(len(short), 0, -1), short, strict=True):
            if allowed <= 0:
                return
            if slot.state is SlotState.READY and not slot.has_one_alone:
                most = min(_size(book, allowed), room[slot.number])
                sent = _serve(book, slot, sharers, most, out, idle=not expected[slot.number])
                allowed -= sent
                room[slot.number] -= sent
                expected[slot.number] += sent > 0


def _serve(book: Book, slot: Slot, sharers: int, most: int, out: Outcome, *, idle: bool) -> int:
    """One chunk for the slot, or the order to take one from the plan; how many items it may be at most, 0: none.

    It is idle if it has nothing, and nothing is on its way from the plan.
    """
    if most < 1:
        return 0
    index = _suitable(book, slot, idle=idle)
    if index is None:
        return 0 if _reserved(book, slot, out, idle=idle) else _feed(book, slot, most, out)
    chunk = _cut(book, index, sharers, most)
    slot.take(chunk)
    book.rate.spend(len(chunk), book.now)
    out.actions.append(Send(slot.number, chunk))
    return len(chunk)


def _size(book: Book, allowed: int) -> int:
    """Items of the next chunk, at most: whole batches, also where a rate allows fewer by now, which then pays later."""
    size = min(book.pace.size, allowed, CAREFUL if book.waiting else allowed)
    if book.batch == 1:
        return size
    batches = size // book.batch
    return book.batch * max(1, batches)


def _feed(book: Book, slot: Slot, most: int, out: Outcome) -> int:
    """The order to take something new from the plan."""
    if not _may_feed(book):
        return 0
    out.actions.append(Feed(slot.number, most))
    return most


def _may_feed(book: Book) -> bool:
    """Whether the plan may give something now."""
    return not (book.exhausted or book.barrier or book.dry or book.waiting.full)


def _suitable(book: Book, slot: Slot, *, idle: bool) -> int | None:
    """The place in `back` of the chunk that this slot gets next; what wants a fresh worker goes to one first."""
    fresh = idle and not slot.proven
    found = None
    for index, chunk in enumerate(book.back):
        if _wants_fresh(chunk):
            if fresh:
                return index
        elif found is None and (idle or not chunk.alone):
            found = index
    return found


def _reserved(book: Book, slot: Slot, out: Outcome, *, idle: bool) -> bool:
    """Whether a slot that none of the returned chunks suits must not get anything new either.

    It must become idle for one that is to be alone; and, where no fresh worker is to be had for one that ran out of
    memory, be replaced itself.
    """
    if any(not _wants_fresh(chunk) for chunk in book.back):
        return True
    if not (book.back and idle) or any(_becomes_fresh(book, other) for other in book.slots.values()):
        return False
    _let_go(slot, out)
    return True


def _wants_fresh(chunk: Chunk) -> bool:
    """Whether the item ran out of memory: its worker may have been full of what others left."""
    past = chunk.past(0) if chunk.alone else None
    return past is not None and past.strikes > 0


def _becomes_fresh(book: Book, slot: Slot) -> bool:
    """Whether there is, or will soon be, a worker in the slot that ran nothing yet."""
    if slot.number >= book.wanted:
        return False
    return slot.state is not SlotState.READY or slot.tired or not (slot.proven or slot.outstanding)


def _cut(book: Book, index: int, sharers: int, most: int) -> Chunk:
    """Take the chunk at that place of `back`, cut so that it is no more than one slot's share of everything there.

    Without that, one idle worker would get everything, the others would be idle still, and it would be recalled again
    before it had begun.
    """
    chunk = book.back[index]
    share = -(-sum(map(len, book.back)) // sharers)
    size = min(most, share)
    if chunk.alone or len(chunk) <= size:
        del book.back[index]
        return chunk
    book.back[index] = chunk.pick(book.new_key(), list(range(size, len(chunk))))
    return chunk.pick(book.new_key(), list(range(size)))


def _spread(book: Book, out: Outcome) -> None:
    """When a worker idles and nothing is left to send, ask the one with the most unbegun items to hand them back."""
    if book.back or not (book.exhausted or book.barrier):
        return
    ready = book.fillable()
    if all(slot.outstanding for slot in ready):
        return
    loaded = {slot.number: left for slot in ready if book.pace.worth(left := slot.unbegun(book.lanes) + 1)}
    if loaded:
        busiest = book.slots[max(loaded, key=loaded.__getitem__)]
        busiest.recalled = True
        out.actions.append(Recall(busiest.number))
