"""What a worker is at and since when, as looks at its line of shared memory tell: the worker itself says nothing.

The line has no times where nothing is limited in time. So each look compares it with what it was at the last one, and
a time is wrong by as much as there is between two looks.
"""

from __future__ import annotations

from typing import NamedTuple

from spoold.core.chunk import Chunk
from spoold.worker.line import BEGUN, Line, begun_position, calls, part_of


class Call(NamedTuple):
    """A call of the handler that has not ended: since when (monotonic), its first item, and how many items it has."""

    since: float
    item: str
    items: int


class Glance:
    """Looks at one worker."""

    def __init__(self, line: Line, sent: dict[int, Chunk], done: dict[int, int]) -> None:
        """Begin.

        Args:
            line: the slot's.
            sent: chunks that the worker has, by key.
            done: how many of their items have their records.
        """
        self._line = line
        self._sent = sent
        self._done = done
        self._words = self._read()
        self._since = [0.0] * len(self._words)

    def look(self, now: float) -> None:
        """Take in what has begun since the last look."""
        words = self._read()
        if words != self._words:
            old = self._words
            self._since = [since if a == b else now for a, b, since in zip(old, words, self._since, strict=True)]
            self._words = words

    def _read(self) -> list[tuple[int, int]]:
        """Of each lane the chunk and the call; before them the item of a worker that has one at a time."""
        return [(0, self._line[BEGUN]), *calls(self._line)]

    def calls(self) -> list[Call]:
        """The calls that had not ended at the last look, as far as acknowledgements tell."""
        if not self._sent:
            return []
        found = []
        for (key, word), since in zip(self._words, self._since, strict=True):
            call = self._lane(key, word, since) if key else self._single(word, since)
            if call is not None:
                found.append(call)
        return found

    def _single(self, word: int, since: float) -> Call | None:
        n = begun_position(word)
        for chunk in self._sent.values() if n is not None else ():
            if n in chunk.ns:
                return Call(since, chunk.ids[chunk.ns.index(n)], 1)
        return None

    def _lane(self, key: int, word: int, since: float) -> Call | None:
        chunk, done = self._sent.get(key), self._done.get(key, 0)
        left = [] if chunk is None else [i for i in part_of(word) if i >= done]
        return Call(since, chunk.ids[left[0]], len(left)) if chunk is not None and left else None
