"""The attempts of items that were begun and not settled: a second reading, for a few positions only.

Segments are searched for records that may concern them, and only those are decoded; what the first reading found void,
or behind the last valid record, does not count.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.history import Attempt
from spoold.journal.scan import Reader, reading, whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyroaring import BitMap

    from spoold.journal.part import Part

_WANTED: Final = re.compile(rb'","s":"(?:retry|died)"')


def attempts(parts: Sequence[Part], begun: BitMap) -> dict[int, Attempt]:
    """What the segments of a run tell of the positions in `begun`.

    Raises:
        JournalError: a segment can't be read.
    """
    deaths: dict[int, int] = {}
    ended: dict[int, tuple[int, float, float | None]] = {}
    for part in parts:
        for record in _records(part):
            if record.n not in begun:
                continue
            if record.s == "died":
                deaths[record.n] = deaths.get(record.n, 0) + 1
            elif record.s == "retry":
                newest = (record.attempt, record.t, record.due)
                if record.n not in ended or _order(newest) > _order(ended[record.n]):
                    ended[record.n] = newest
    found = {}
    for n in begun:
        tries, _, due = ended.get(n, (0, 0.0, None))
        found[n] = Attempt(deaths.get(n, 0), tries, due)
    return found


def _order(newest: tuple[int, float, float | None]) -> tuple[int, float, float]:
    attempt, t, due = newest
    return attempt, t, due or 0.0


def _records(part: Part) -> Iterator[ItemRecord]:
    """The valid records of a segment that may be wanted."""
    void = sorted((damage.offset, damage.offset + damage.size) for damage in part.damage)
    path = part.path
    with reading(path) as fd:
        reader = Reader(fd, path)
        for chunk in whole_lines(fd, reader.offset):
            at = 0
            while match := _WANTED.search(chunk.data, at):
                start = chunk.data.rfind(b"\n", 0, match.start()) + 1
                at = chunk.data.find(b"\n", start) + 1
                offset = chunk.offset + start
                if offset >= part.end.size:
                    return
                i = bisect_right(void, (offset, 1 << 62)) - 1
                record = decode_record(chunk.data[start:at], reader.header.crc)
                if isinstance(record, ItemRecord) and not (i >= 0 and offset < void[i][1]):
                    yield record
