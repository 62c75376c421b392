"""Items that wait for their next attempt; they occupy no worker."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from spoold.core.chunk import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 10_000
"""Items that may wait before nothing new starts."""
MOST_BYTES: Final = 64 << 20
"""Bytes of waiting items before nothing new starts."""


class Waiting:
    """A heap of single items by the time when they are due, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Chunk]] = []
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing new may start."""
        return len(self._heap) >= MOST or self._bytes >= MOST_BYTES

    @property
    def next_due(self) -> float | None:
        """When the next one is due; None when none waits."""
        return self._heap[0][0] if self._heap else None

    def push(self, due: float, chunk: Chunk) -> None:
        """Let the one item of `chunk` wait."""
        self._count += 1
        heappush(self._heap, (due, self._count, chunk))
        self._bytes += _size(chunk)

    def pop_due(self, now: float) -> list[Chunk]:
        """Those that are due, the soonest first."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            chunk = heappop(self._heap)[2]
            self._bytes -= _size(chunk)
            found.append(chunk)
        return found

    def __iter__(self) -> Iterator[tuple[float, Chunk]]:
        """When each is due, and the item; in no order."""
        return ((due, chunk) for due, _, chunk in self._heap)


def _size(chunk: Chunk) -> int:
    past = chunk.past(0)
    return len(chunk.raws[0]) + (past.size() if past is not None else 0)
