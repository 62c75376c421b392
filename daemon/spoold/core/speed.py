"""How quick a run is by now, in items a second: what the time left is reckoned by.

A mean of the last while, in which what is older counts for less and less. The while is long enough to hold some items,
however slow they are. Several workers that began together also end together, so between two moments at which items
ended the mean stands still, until the next is late.
"""

from __future__ import annotations

import math
from typing import Final

RECENT: Final = 15.0
"""Seconds that the mean looks back at least."""
ENOUGH: Final = 20
"""Items that it looks back to at least."""
_LATE: Final = 2.0  # times the usual pause between two endings, after which a pause is a standstill
_BLINK: Final = 3.0  # seconds; a shorter pause is none


class Speed:
    """The speed of a run. Times are monotonic, in seconds."""

    __slots__ = ("_at", "_before", "_began", "_count", "_items", "_last", "_time", "_working")

    def __init__(self, settled: int, now: float) -> None:
        """Begin.

        Args:
            settled: items that are settled already: they never count.
            now: the time.
        """
        self._before = self._count = settled
        self._began = self._at = now
        self._items = self._time = 0.0
        self._last = 1
        self._working = False

    def passed(self, count: int) -> None:
        """So many items will be settled without having been run."""
        self._before += count
        self._count += count

    def look(self, settled: int, now: float, *, busy: bool) -> None:
        """Take in how far the run is.

        Args:
            settled: items that are settled by now.
            now: the time.
            busy: an item is at work; until the first is, workers load and no time has been lost.
        """
        if not self._working:
            if not busy and settled == self._count:
                self._began = self._at = now
                return
            self._working = True
        new, pause = settled - self._count, now - self._at
        if pause <= 0 or (new <= 0 and pause < self._patience()):
            return
        span = max(RECENT, ENOUGH * (now - self._began) / max(1, settled - self._before))
        kept = math.exp(-pause / span)
        self._items = self._items * kept + max(0, new)
        self._time = self._time * kept + pause
        self._last = max(1, new)
        self._count, self._at = settled, now

    def rate(self, now: float) -> float:
        """Items a second; while the next items are late, what it were if they came at once."""
        if not self._items:
            return 0.0
        usual = self._items / self._time
        return min(usual, (self._items + self._last) / (self._time + max(0.0, now - self._at)))

    def _patience(self) -> float:
        return max(_BLINK, _LATE * self._last * self._time / self._items) if self._items else math.inf
