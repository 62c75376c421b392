"""What is known by id: for a source that changed, where positions mean other items than before.

Every record of the older generations that made an item done, or tells of its unfinished business, is an entry of 8
bytes, 24 bits of the id's CRC-32 and 40 bits of offset into the segments laid end to end. Entries are sorted in
pieces, merged into a file without a name, and looked up there; each candidate's record is read and its id compared, so
that a hash never decides.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from heapq import merge
from itertools import accumulate, islice
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self
from zlib import crc32

import msgspec

from spoold.core.chunk import Past
from spoold.errors import JournalError
from spoold.journal.format import DONE, ItemRecord, decode_record
from spoold.journal.lines import Lines, place_of
from spoold.journal.part import Key
from spoold.journal.recollect import Told, in_order, trail_of
from spoold.journal.replay import read_headers, scan_history
from spoold.journal.scan import Reader, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyroaring import BitMap

    from spoold.journal.history import History

_OFFSET_BITS: Final = 40
_PIECE: Final = 1 << 18  # entries sorted in memory at a time
_OFFSET: Final = (1 << _OFFSET_BITS) - 1
_BUFFER: Final = 1 << 13  # entries of each piece held while merging


class Done(NamedTuple):
    """How an item ended, and its result as JSON text if it has one."""

    status: str
    result: bytes | None


class Known(NamedTuple):
    """What older generations say of an item: that it is done, or that it is in doubt, or what it left for next time."""

    done: Done | None = None
    doubt: str | None = None
    past: Past | None = None


class IdIndex:
    """The done and the unfinished items of the generations before `gen`, by id.

    Building it reads their segments twice. Memory: a few MB while building, the looked-up pages of a file after.
    """

    def __init__(self, journal_dir: str, *, job: str, gen: int) -> None:
        """Build the index; the scratch files are made beside the journal folder, without a name.

        Raises:
            JournalError: as `replay`, or no room for the scratch files.
        """
        headers, _ = read_headers(journal_dir, job)
        older = [(file.path, header) for file, header in headers if header.gen < gen]
        self._headers = [header for _, header in older]
        self._lines = Lines([path for path, _ in older])
        self._starts = [0, *accumulate(os.stat(path).st_size for path, _ in older)]
        if self._starts[-1] > _OFFSET:
            raise JournalError("too long to be indexed", where=journal_dir, remedy="set `run`")
        wanted = {
            older_gen: _wanted(scan_history(journal_dir, job=job, gen=older_gen))
            for older_gen in sorted({header.gen for header in self._headers})
        }
        try:
            self._map = _sorted_map(self._entries(wanted), os.path.dirname(os.path.abspath(journal_dir)))
        except OSError as error:
            raise JournalError(f"no index: {error.strerror}", where=journal_dir, remedy="make room") from error
        self._table = memoryview(self._map or b"").cast("Q")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file and its memory."""
        self._table.release()
        if self._map is not None:
            self._map.close()
        self._lines.close()

    def lookup(self, item_id: str) -> Known | None:
        """What is known of the item with this id; None if nothing is.

        Raises:
            JournalError: a record that was indexed can't be read any more.
        """
        first = _hash(item_id) << _OFFSET_BITS
        best: tuple[int, Key, ItemRecord] | None = None
        unfinished: list[Told] = []
        i = bisect_left(self._table, first)
        while i < len(self._table) and self._table[i] <= first | _OFFSET:
            number, record = self._read(self._table[i] & _OFFSET)
            header = self._headers[number]
            i += 1
            if record.id != item_id:
                continue
            if record.s not in DONE:
                unfinished.append(Told(header.gen, header.run, record))
                continue
            candidate = (-header.gen, Key.of(header.run, record), record)
            if best is None or candidate[:2] < best[:2]:
                best = candidate
        if best is not None:
            record = best[2]
            result = None if isinstance(record.result, msgspec.UnsetType) else bytes(record.result)
            return Known(Done(record.s, result))
        return _unfinished(unfinished) if unfinished else None

    def _read(self, at: int) -> tuple[int, ItemRecord]:
        number = bisect_right(self._starts, at) - 1
        line = self._lines.read(place_of(number, at - self._starts[number]))
        record = decode_record(line, self._headers[number].crc)
        if not isinstance(record, ItemRecord):
            raise JournalError(
                f"the record at byte {at - self._starts[number]} is gone", where=self._lines.paths[number]
            )
        return number, record

    def _entries(self, wanted: dict[int, tuple[BitMap, BitMap]]) -> Iterator[int]:
        """An entry for every record that made an item done, and for those of items that left something unfinished."""
        for number, path in enumerate(self._lines.paths):
            with reading(path) as fd:
                reader = Reader(fd, path)
                done, open_ = wanted[reader.header.gen]
                for found in reader.records():
                    record = found.record
                    if isinstance(record, ItemRecord) and record.n in (done if record.s in DONE else open_):
                        yield _hash(record.id) << _OFFSET_BITS | self._starts[number] + found.offset


def _wanted(history: History) -> tuple[BitMap, BitMap]:
    """Positions that are done, and those that left something unfinished."""
    done = history.done
    return done, (history.noted | history.in_doubt) - done


def _unfinished(told: list[Told]) -> Known:
    trail = trail_of(told)
    doubt = trail.doubt("it was cut short before the source changed")
    newest = in_order(told)[-1].record
    if newest.s == "in-doubt" and isinstance(newest.error, msgspec.Raw):
        message = msgspec.json.decode(newest.error).get("message")
        doubt = str(message)
    return Known(doubt=doubt, past=trail.past(None))


def _hash(item_id: str) -> int:
    return crc32(item_id.encode()) >> 8


def _sorted_map(entries: Iterator[int], directory: str) -> mmap.mmap | None:
    """The entries, sorted, in a file without a name; None when there are none."""
    with tempfile.TemporaryFile(dir=directory) as pieces, tempfile.TemporaryFile(dir=directory) as whole:
        sizes = []
        while piece := array("Q", sorted(islice(entries, _PIECE))):
            piece.tofile(pieces)
            sizes.append(len(piece))
        pieces.flush()
        starts = accumulate(sizes, initial=0)
        merged = merge(*(_piece(pieces, start, size) for start, size in zip(starts, sizes, strict=False)))
        while block := array("Q", islice(merged, _BUFFER)):
            block.tofile(whole)
        whole.flush()
        length = whole.tell()
        return mmap.mmap(whole.fileno(), length, prot=mmap.PROT_READ) if length else None


def _piece(pieces: IO[bytes], start: int, size: int) -> Iterator[int]:
    """The entries of one sorted piece, a buffer at a time."""
    end = start + size
    while start < end:
        block = array("Q")
        block.frombytes(os.pread(pieces.fileno(), 8 * min(_BUFFER, end - start), 8 * start))
        start += len(block)
        yield from block
