"""The attempts of items that were begun and not settled: a second reading, for a few positions only.

Segments are searched for records that may concern them, and only those are decoded; what the first reading found void,
or behind the last valid record, does not count.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from spoold.core.ending import MEMORY, RESOLVED, RetryError
from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.history import Attempt
from spoold.journal.scan import Reader, reading, whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyroaring import BitMap

    from spoold.journal.part import Part

_error: Final = msgspec.json.Decoder(RetryError).decode
_WANTED: Final = re.compile(rb'","s":"(?:retry|died)"')


def attempts(parts: Sequence[Part], begun: BitMap) -> dict[int, Attempt]:
    """What the segments of a run tell of the positions in `begun`.

    Raises:
        JournalError: a segment can't be read.
    """
    deaths: Counter[int] = Counter()
    strikes: Counter[int] = Counter()
    ended: dict[int, ItemRecord] = {}
    for part in parts:
        for record in _records(part):
            n = record.n
            if n not in begun:
                continue
            error = _error_of(record)
            deaths[n] += record.s == "died" and error.type != MEMORY
            strikes[n] += error.type == MEMORY
            if record.s == "retry" and (n not in ended or _order(record) > _order(ended[n])):
                ended[n] = record
    return {n: _attempt(ended.get(n), deaths[n], strikes[n]) for n in begun}


def _attempt(record: ItemRecord | None, deaths: int, strikes: int) -> Attempt:
    if record is None:
        return Attempt(deaths, strikes=strikes)
    error = _error_of(record)
    due = record.due if record.due is not None else record.t
    return Attempt(
        deaths,
        record.attempt - error.free,
        due,
        due - record.t,
        error.deferred or 0.0,
        strikes,
        error.hold,
        error.type == RESOLVED,
    )


def _error_of(record: ItemRecord) -> RetryError:
    return _error(record.error) if isinstance(record.error, msgspec.Raw) else RetryError("", "")


def _order(record: ItemRecord) -> tuple[int, float, float]:
    return record.attempt, record.t, record.due or 0.0


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
