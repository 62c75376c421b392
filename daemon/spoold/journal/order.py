"""Records in the order of their items, for what is derived from a journal: results, failures.

Segments are looked over (`survey`), then read side by side and merged: each is in order but for its stragglers, which
are sorted apart. So every record is read once, checked, and in pieces of many. Memory does not grow with the items.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Self

from pyroaring import BitMap

from spoold.journal.ascending import FromPlaces, FromSegment
from spoold.journal.failure import RecordGoneError
from spoold.journal.lines import Lines
from spoold.journal.pairs import Pairs
from spoold.journal.scan import BLOCK
from spoold.journal.shape import AsRecords
from spoold.journal.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from spoold.journal.ascending import Ascending
    from spoold.journal.history import History
    from spoold.journal.shape import Shape

_HELD: Final = 1 << 21
"""Bytes of all segments read at once, if there are many."""
_LEAST: Final = 1 << 13
"""Bytes of each read at once at least."""
_END: Final = 1 << 32


class Order:
    """The records of all items whose winning record has one of some final statuses.

    A scratch file may be made beside the journal folder, without a name.

    Attributes:
        wanted: the positions of the items.
    """

    def __init__(
        self, journal_dir: str, history: History, statuses: Collection[str], shape: Shape | None = None
    ) -> None:
        """Look the segments over; `shape` says what is made of a record, if not its line without a newline.

        Raises:
            JournalError: one can't be read, or there is no room for the scratch file.
        """
        self.wanted = BitMap()
        for status in statuses:
            self.wanted |= history.with_status(status)
        self._statuses = statuses
        self._shape = shape or AsRecords()
        self._directory = journal_dir
        paths = [os.path.join(journal_dir, end.name) for end in history.segments] if self.wanted else []
        self._lines, self._stragglers = Lines(paths), Pairs(os.path.dirname(os.path.abspath(journal_dir)))
        try:
            self._surveys = [Survey(path, number, history.damage) for number, path in enumerate(paths)]
            self._mine = [survey for survey in self._surveys if survey.gen == history.gen]
            block = max(_LEAST, min(BLOCK, _HELD // max(1, len(self._mine))))
            for survey in self._mine:
                survey.look(self.wanted, statuses, self._stragglers, block)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._lines.close()
        self._stragglers.close()

    def pieces(self, low: int = 0, high: int = _END) -> Iterator[tuple[Sequence[int], Sequence[bytes]]]:
        """Positions from `low` to `high - 1` and the lines made of their records, ascending, many at a time.

        Raises:
            JournalError: a segment can't be read.
            RecordGoneError: at the end: a record that the history speaks of was not there any more.
        """
        wanted = self.wanted & BitMap(range(low, high))
        found = BitMap()
        sequences: list[Ascending] = [
            FromSegment(survey, wanted, self._statuses, self._shape) for survey in self._mine if survey.stretches
        ]
        places = (pair for pair in self._stragglers if pair[0] in wanted)
        sequences.append(FromPlaces(places, self._surveys, self._lines, self._statuses, self._shape))
        for ns, lines in _merged(sequences):
            found.update(ns)
            yield ns, lines
        if gone := wanted - found:
            what = f"the record of item {gone.min()} is gone"
            raise RecordGoneError(what, where=self._directory, remedy="delete its seal")


def ordered(journal_dir: str, history: History, statuses: Collection[str]) -> Iterator[tuple[int, bytes]]:
    """Position and record of every item whose winning record has one of these final statuses, by position.

    Records are lines without their newlines.

    Raises:
        JournalError: as `Order` and `Order.pieces`.
    """
    with Order(journal_dir, history, statuses) as order:
        for ns, lines in order.pieces():
            yield from zip(ns, lines, strict=True)


def _merged(sequences: Sequence[Ascending]) -> Iterator[tuple[Sequence[int], Sequence[bytes]]]:
    """Items and records of all sequences, ascending, as many at a time as one of them has before the next."""
    heads: list[tuple[int, int]] = []
    for number, one in enumerate(sequences):
        one.load()
        if one.ns:
            heads.append((one.ns[0], number))
    heapify(heads)
    while heads:
        n, number = heappop(heads)
        one = sequences[number]
        while heads and heads[0][0] == n:  # another record of the same item
            other = heappop(heads)[1]
            loser, number = (number, other) if sequences[other].key() < one.key() else (other, number)
            one = sequences[number]
            _advance(sequences, loser, 1, heads)
        until = heads[0][0] if heads else _END
        end = bisect_left(one.ns, until, one.at)
        yield one.ns[one.at : end], one.lines[one.at : end]
        _advance(sequences, number, end - one.at, heads)


def _advance(sequences: Sequence[Ascending], number: int, count: int, heads: list[tuple[int, int]]) -> None:
    """Leave so many records of a sequence behind, and put its next one among the heads."""
    one = sequences[number]
    one.at += count
    if one.at == len(one.ns):
        one.load()
    if one.ns:
        heappush(heads, (one.ns[one.at], number))
