"""Records of one segment, or the stragglers of all, in the order of their items: what `order` merges."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, TypeAlias

from pyroaring import BitMap

from spoold.journal.bulk import decode_block
from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.lines import number_of
from spoold.journal.part import Key
from spoold.journal.scan import Chunk, Reader, reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from spoold.journal.bulk import BulkRecord
    from spoold.journal.lines import Lines
    from spoold.journal.shape import Shape
    from spoold.journal.survey import Stretch, Survey

Rank: TypeAlias = tuple[Key, int, bool]
"""A record's key, its segment, and whether it is a straggler: those stand behind a stretch with the same item."""
_TOGETHER: Final = 256
"""Stragglers held at once, if they are short."""
_LONG: Final = 1 << 20
"""Bytes of them after which no more are held."""


class Ascending(ABC):
    """Records in the order of their items, some at a time.

    Attributes:
        ns: positions of the items, strictly ascending; empty at the end.
        lines: what is made of their records.
        at: index of the next one.
    """

    def __init__(self) -> None:
        self.ns: Sequence[int] = ()
        self.lines: Sequence[bytes] = ()
        self.at = 0

    @abstractmethod
    def load(self) -> None:
        """Go on to the next ones.

        Raises:
            JournalError: a segment can't be read.
        """

    @abstractmethod
    def key(self) -> Rank:
        """What decides between the next record and another of its item."""


class FromSegment(Ascending):
    """Those of a segment's stretches."""

    def __init__(self, survey: Survey, wanted: BitMap, statuses: Collection[str], shape: Shape) -> None:
        """Begin before the first; only records of `wanted` items with one of these statuses are given."""
        super().__init__()
        self._survey = survey
        self._wanted = wanted
        self._statuses = statuses
        self._shape = shape
        self._stretches = _overlapping(survey.stretches, wanted)
        self._stretch: Stretch | None = None
        self._keys: list[Key] = []

    def load(self) -> None:
        """Read a stretch."""
        self.ns, self.lines, self.at = (), (), 0
        for stretch in self._stretches:
            self._read(stretch)
            if self.ns:
                return

    def key(self) -> Rank:
        """Seldom needed, so it is looked for only now."""
        if not self._keys:
            assert self._stretch is not None
            best = self._best(self._stretch)
            self._keys = [best[n][0] for n in self.ns]
        return self._keys[self.at], self._survey.number, False

    def _read(self, stretch: Stretch) -> None:
        self._stretch, self._keys = stretch, []
        with reading(self._survey.path) as fd:
            data = os.pread(fd, stretch.size, stretch.offset)
        made = self._shape.block(data, self._survey.seed, stretch.q, self._statuses, usual=stretch.usual)
        if made is not None and self._are_right(made[0], stretch):
            self.ns, self.lines = made
            return
        best = self._best(stretch)
        self.ns = sorted(best)
        self.lines = [self._shape.line(best[n][1]) for n in self.ns]
        self._keys = [best[n][0] for n in self.ns]

    def _are_right(self, ns: Sequence[int], stretch: Stretch) -> bool:
        """Whether records of just these items are to be given, in this order."""
        if ns[0] < stretch.low or ns != sorted(ns):
            return False
        positions = BitMap(ns)
        return len(positions) == len(ns) and positions.issubset(self._wanted)

    def _best(self, stretch: Stretch) -> dict[int, tuple[Key, bytes]]:
        """The strongest record of each item that is wanted, and what makes it so."""
        survey, wanted, statuses = self._survey, self._wanted, self._statuses
        best: dict[int, tuple[Key, bytes]] = {}
        with reading(survey.path) as fd:
            reader = Reader(fd, survey.path, start=stretch.offset, q=stretch.q)
            data = os.pread(fd, stretch.size, stretch.offset)
        for record, line in _items(reader, Chunk(stretch.offset, data, len(data))):
            n = record.n
            if n >= stretch.low and record.s in statuses and n in wanted:
                key = Key.of(survey.run, record)
                if n not in best or key < best[n][0]:
                    best[n] = key, line
        return best


def _items(reader: Reader, chunk: Chunk) -> Iterable[tuple[BulkRecord | ItemRecord, bytes]]:
    """The item records of a chunk, and their lines without newlines."""
    block = decode_block(chunk.data, reader.header.crc, reader.q)
    if block is not None:
        lines = chunk.data.split(b"\n")
        lines.pop()
        return zip(block, lines, strict=True)
    taken = list(reader.take(chunk))
    return [(one.record, one.line[:-1]) for one in taken if isinstance(one.record, ItemRecord)]


class FromPlaces(Ascending):
    """The stragglers of all segments."""

    def __init__(
        self,
        places: Iterable[tuple[int, int]],
        surveys: Sequence[Survey],
        lines: Lines,
        statuses: Collection[str],
        shape: Shape,
    ) -> None:
        """Begin before the first; `places` are pairs of an item and where a record of it stands."""
        super().__init__()
        self._places = iter(places)
        self._statuses = statuses
        self._next = next(self._places, None)
        self._surveys = surveys
        self._source = lines
        self._shape = shape
        self._keys: list[Rank] = []

    def load(self) -> None:
        """Read some, one by one."""
        found: list[tuple[int, Rank, bytes]] = []
        size = 0
        while self._next is not None:
            n, place = self._next
            if found and n != found[-1][0] and (len(found) >= _TOGETHER or size >= _LONG):
                break
            self._next = next(self._places, None)
            survey, line = self._surveys[number_of(place)], self._source.read(place)
            record = decode_record(line, survey.seed)
            if not isinstance(record, ItemRecord) or record.n != n or record.s not in self._statuses:
                continue
            one = (n, (Key.of(survey.run, record), survey.number, True), line[:-1])
            size += len(line)
            if not found or found[-1][0] != n:
                found.append(one)
            elif one[1] < found[-1][1]:
                found[-1] = one
        self.ns, self.at = [n for n, _, _ in found], 0
        self.lines = [self._shape.line(line) for _, _, line in found]
        self._keys = [key for _, key, _ in found]

    def key(self) -> Rank:
        """Known since it was read."""
        return self._keys[self.at]


def _overlapping(stretches: Sequence[Stretch], wanted: BitMap) -> Iterator[Stretch]:
    """Those that may have a record of an item that is wanted."""
    if wanted:
        first, last = wanted.min(), wanted.max()
        for stretch, after in zip_longest(stretches, stretches[1:]):
            if stretch.low <= last and (after is None or after.low > first):
                yield stretch
