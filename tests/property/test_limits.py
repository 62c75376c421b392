"""No more items fail than a limit allows and one for each other worker, in whatever order the runner hears of them.

Unlike in the book's own state machine, what each worker says waits in a socket of its own until the runner reads: all
of them, one after the other, in any order; meanwhile the workers go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.book_world import PATIENCE, World

from spoold.core import book as b
from spoold.core.failures import FailureCount
from spoold.core.policy import FailureLimits

ITEMS = 400


class Sockets(list[b.Event]):
    """The runner's events; those of workers are not among them before it reads their sockets."""

    def __init__(self, events: Iterable[b.Event]) -> None:
        super().__init__(events)
        self._unread: dict[int, list[b.Event]] = {}

    def append(self, event: b.Event) -> None:
        """Something happened."""
        if isinstance(event, b.Acked | b.Loaded | b.Died):
            self._unread.setdefault(event.slot, []).append(event)
        else:
            super().append(event)

    def popleft(self) -> b.Event:
        """What the runner decides on next."""
        return self.pop(0)

    def read(self, luck: Random) -> None:
        """All that the workers said so far."""
        slots = list(self._unread)
        luck.shuffle(slots)
        for slot in slots:
            self += self._unread.pop(slot)


def let_workers_go_on(world: World, steps: int, luck: Random, share: float) -> bool:
    """So many steps of workers that can take one; this share of the items fails. False if none could."""
    moved = False
    for _ in range(steps):
        slots = [slot for slot, one in world.workers.items() if one.begun or one.can_go_on() or not one.loaded]
        slots += [slot for slot, one in world.workers.items() if one.retired and slot not in slots]
        if not slots:
            break
        slot, moved = luck.choice(slots), True
        if world.workers[slot].begun and luck.random() < share:
            world.end_badly(slot, "raised", 0.0, 0.5)
        else:
            world.step_fairly(slot)
    return moved


@settings(max_examples=150)
@given(
    most=st.integers(0, 120),
    workers=st.integers(1, 6),
    pause=st.sampled_from([1, 5, 40]),
    share=st.sampled_from([1.0, 0.9, 0.4]),
    luck=st.randoms(use_true_random=True),
)
def test_a_number_of_failures(most: int, workers: int, pause: int, share: float, luck: Random) -> None:
    """However long the runner is kept from reading, and whoever fails how quickly."""
    failures = FailureCount(FailureLimits(most=most, streak=1 << 30))
    world = World(b.Book(wanted=workers, poison=2, failures=failures), ITEMS, 0)
    world.events = sockets = Sockets(world.events)  # type: ignore[assignment]  # the part of a deque that it uses
    for _ in range(PATIENCE):
        if world.book.ended:
            break
        let_workers_go_on(world, luck.choice([0, 1, pause]), luck, share)
        if not sockets:
            sockets.read(luck)
        if sockets:
            world.decide_next()
        elif not let_workers_go_on(world, 1, luck, share):
            raise AssertionError("nothing will ever happen again")
    assert world.book.ended
    failed = sum(item.failed for item in world.items.values())
    assert failed <= most + workers
    assert failed > most or world.book.closing is b.Closing.NO
