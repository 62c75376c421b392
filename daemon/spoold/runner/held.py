"""Workers that hold a record for which there is no room: they are asked to try again until each has written it."""

from __future__ import annotations

from collections.abc import Callable

from spoold.core.book import Acked, Died, Event
from spoold.journal.failure import SegmentFull
from spoold.runner.room import AGAIN, Room

Timer = Callable[[float, Callable[[], None]], object]


class HeldRecords:
    """The slots whose worker waits for room.

    Args:
        room: tells what is missing.
        later: calls something in so many seconds.
        retry: lets all workers that hold a record try to write it.
    """

    def __init__(self, room: Room, later: Timer, retry: Callable[[], None]) -> None:
        self._room = room
        self._later = later
        self._retry = retry
        self._full: set[int] = set()
        self._trying: set[int] = set()

    def add(self, slot: int, full: SegmentFull) -> None:
        """The slot's worker found no room."""
        self._room.hold(full)
        if not self._full:
            self._later(AGAIN, self._try)
        self._full.add(slot)

    def _try(self) -> None:
        """Those that can't write it say so again."""
        self._trying, self._full = self._full, set()
        self._retry()

    def heard(self, event: Event) -> None:
        """A worker that says something else has written what it held, or is gone."""
        if isinstance(event, Acked | Died) and self._room.wanted is not None:
            self.free(event.slot)

    def free(self, slot: int) -> None:
        """Nobody holds a record in this slot."""
        self._trying.discard(slot)
        self._full.discard(slot)
        if not self._full and not self._trying:
            self._room.found()
