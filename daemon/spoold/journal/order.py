"""Records in the order of their items, for what is derived from a journal: results, failures.

One pass over the segments, each record checked, notes where the winner of each position stands in a scratch file of 8
bytes a position; then the lines are read in order. Memory does not grow with the items.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import OrderedDict
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from pyroaring import BitMap

from spoold.errors import JournalError
from spoold.journal.bulk import decode_block
from spoold.journal.failure import RecordGoneError
from spoold.journal.format import ItemRecord, decode_record
from spoold.journal.part import Key
from spoold.journal.scan import Reader, reading, whole_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from spoold.journal.bulk import BulkRecord
    from spoold.journal.history import History

_OFFSET_BITS: Final = 48
_OFFSET: Final = (1 << _OFFSET_BITS) - 1
_OPEN_FILES: Final = 64
_GUESS: Final = 512  # bytes; most records are shorter


class Lines:
    """Lines of many segments by place, a place being (segment's number + 1) << 48 | offset; few are open at a time."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, place: int) -> bytes:
        """The line at a place, with its newline.

        Raises:
            JournalError: there is none, or it can't be read.
        """
        number, offset = (place >> _OFFSET_BITS) - 1, place & _OFFSET
        try:
            fd = self._descriptor(number)
            line, step = b"", _GUESS
            while not (end := line.find(b"\n") + 1):
                more = os.pread(fd, step, offset + len(line))
                if not more:
                    raise JournalError(f"no record at byte {offset}", where=self.paths[number])
                line, step = line + more, step * 4
        except OSError as error:
            raise JournalError(f"can't be read: {error.strerror}", where=self.paths[number]) from error
        return line[:end]

    def _descriptor(self, number: int) -> int:
        fd = self._open.pop(number, -1)
        if fd < 0:
            if len(self._open) >= _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            fd = os.open(self.paths[number], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._open[number] = fd
        return fd

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.popitem()[1])


def place_of(number: int, offset: int) -> int:
    """The place of a line at `offset` of the segment with this number."""
    return (number + 1) << _OFFSET_BITS | offset


def ordered(journal_dir: str, history: History, statuses: Collection[str]) -> Iterator[tuple[int, bytes]]:
    """Position and record line of every item whose winning record has one of these final statuses, by position.

    The scratch file is made beside the journal folder, without a name.

    Raises:
        JournalError: a record that the history speaks of is not there any more, or there is no room for the scratch
        file.
    """
    wanted = BitMap()
    for status in statuses:
        wanted |= history.with_status(status)
    if not wanted:
        return
    lines = Lines([os.path.join(journal_dir, end.name) for end in history.segments])
    try:
        beside = os.path.dirname(os.path.abspath(journal_dir))
        with _scratch(beside, wanted.max() + 1) as scratch, memoryview(scratch) as raw, raw.cast("Q") as places:
            _fill(places, lines, history, wanted, frozenset(statuses))
            for n in wanted:
                if not places[n]:
                    what = f"the record of item {n} is gone"
                    raise RecordGoneError(what, where=journal_dir, remedy="delete its seal")
                yield n, lines.read(places[n])
    finally:
        lines.close()


def _scratch(directory: str, positions: int) -> mmap.mmap:
    """Zeros for so many positions, really allocated: a full disk would otherwise kill us at a store."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, positions * 8)
            return mmap.mmap(file.fileno(), positions * 8)
    except OSError as error:
        raise JournalError(
            f"no scratch file of {positions * 8} bytes: {error.strerror}", where=directory, remedy="make room"
        ) from error


def _fill(places: memoryview[int], lines: Lines, history: History, wanted: BitMap, statuses: frozenset[str]) -> None:
    """Note the place of each wanted position's winner, whose status is one of `statuses`."""
    for number, path in enumerate(lines.paths):
        with reading(path) as fd:
            reader = Reader(fd, path)
            if reader.header.gen != history.gen:
                continue
            for offset, record in _items(reader):
                n = record.n
                if record.s not in statuses or n not in wanted:
                    continue
                if not places[n] or _stronger(Key.of(reader.header.run, record), lines, places[n]):
                    places[n] = place_of(number, offset)


def _items(reader: Reader) -> Iterator[tuple[int, ItemRecord | BulkRecord]]:
    """Offset and content of every item record, a block at a time where that can be."""
    for chunk in whole_lines(reader.fd, reader.offset):
        block = decode_block(chunk.data, reader.header.crc, reader.q)
        if block is None:
            for found in reader.take(chunk):
                if isinstance(found.record, ItemRecord):
                    yield found.offset, found.record
            continue
        reader.accept(chunk, block[-1].q)
        lengths = [len(line) + 1 for line in chunk.data.split(b"\n")]
        yield from zip(accumulate(lengths, initial=chunk.offset), block, strict=False)


def _stronger(key: Key, lines: Lines, place: int) -> bool:
    """Whether a record beats the one that was noted for its position before."""
    path = lines.paths[(place >> _OFFSET_BITS) - 1]
    with reading(path) as fd:
        header = Reader(fd, path).header
    other = decode_record(lines.read(place), header.crc)
    assert isinstance(other, ItemRecord)
    return key < Key.of(header.run, other)
