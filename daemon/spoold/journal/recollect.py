"""The notes of items that are to run again: a reading of the journal for many positions at a time.

Positions with notes may be as many as items, so they are bits; what the notes say is read, a window of positions at a
time, when the first of them is asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from pyroaring import BitMap

from spoold.core.ending import RESOLVED
from spoold.journal.folder import segment_files
from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.scan import Reader, reading, whole_lines
from spoold.journal.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WINDOW: Final = 1 << 16
"""Positions read about at once."""
KEPT: Final = ("start", "save", "once", "retry", "failed", "quarantined", "in-doubt")
"""The statuses that tell of unfinished business; what is done is not asked for."""
_RELEVANT: Final = re.compile(rb'","s":"(?:start|save|once|retry|failed|quarantined|in-doubt)"')


class Told(NamedTuple):
    """A record of an item, and the generation and run that it was written in."""

    gen: int
    run: int
    record: ItemRecord


class Recollection:
    """The notes in a journal.

    Attributes:
        noted: positions that have some, not all of which need be known yet.
    """

    def __init__(self, journal_dir: str, gen: int, noted: BitMap) -> None:
        self.noted = noted
        self._directory = journal_dir
        self._gen = gen
        self._window = BitMap()
        self._trails: dict[int, Trail] = {}

    def of(self, n: int) -> Trail | None:
        """What the item at `n` left; None if there are no notes of it.

        Raises:
            JournalError: a segment can't be read.
        """
        if n not in self.noted:
            return None
        if n not in self._window:
            self._load(n)
        return self._trails.pop(n, None)

    def forget(self, n: int) -> None:
        """There may be more in the journal of the item at `n` by now."""
        self._window.discard(n)

    def _load(self, first: int) -> None:
        rank = self.noted.rank(first) - 1
        self._window = self.noted[rank : rank + WINDOW]
        told: dict[int, list[Told]] = {}
        for one in self._tell():
            records = told.setdefault(one.record.n, [])
            if one.record.s == "save":  # only the newest counts, and each may be large
                records[:] = [other for other in records if other.record.s != "save" or _order(other) > _order(one)]
            records.append(one)
        self._trails = {n: trail_of(records) for n, records in told.items()}

    def _tell(self) -> Iterator[Told]:
        for file in segment_files(self._directory):
            with reading(file.path) as fd:
                reader = Reader(fd, file.path)
                if reader.header.gen != self._gen:
                    continue
                for record in relevant(reader):
                    if record.n in self._window:
                        yield Told(reader.header.gen, reader.header.run, record)


def relevant(reader: Reader) -> Iterator[ItemRecord]:
    """The valid records of a segment with one of the statuses `KEPT`; only they are decoded."""
    q = 0
    for chunk in whole_lines(reader.fd, reader.offset):
        at = 0
        while match := _RELEVANT.search(chunk.data, at):
            start = chunk.data.rfind(b"\n", 0, match.start()) + 1
            at = chunk.data.find(b"\n", start) + 1
            record = decode_record(chunk.data[start:at], reader.header.crc)
            if isinstance(record, ItemRecord) and record.q > q and record.s in KEPT:
                q = record.q
                yield record


def trail_of(records: Iterable[Told]) -> Trail:
    """What an item's records lead to, from whichever segments they come."""
    trail = Trail()
    for told in in_order(records):
        trail.add(told.record)
    return trail


def in_order(records: Iterable[Told]) -> list[Told]:
    """The records of one item, the oldest first."""
    return sorted(records, key=_order)


def _order(told: Told) -> tuple[int, int, int, bool, float]:
    """An operator's decision has the number of the attempt that it allows, and comes first, whatever clocks said."""
    record = told.record
    return told.gen, told.run, record.attempt, not resolved(record), record.t


def resolved(record: ItemRecord) -> bool:
    """Whether it says that an operator chose to run an item in doubt again."""
    if record.s != "retry" or isinstance(record.error, msgspec.UnsetType):
        return False
    error: dict[str, object] = msgspec.json.decode(record.error)
    return error.get("type") == RESOLVED
