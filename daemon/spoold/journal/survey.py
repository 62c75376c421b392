"""Where in a segment which items stand: a quick look that lets its records be read in the order of their items.

Most segments name their items in ascending order: a worker gets them so. Hence a segment is cut into stretches, each of
whose items come after all of the stretch before. What stands out of that order (an item that was tried again, one of
several that a worker had in hand at once) is a straggler, noted alone with its place. No checksum is looked at here:
whoever reads the records does.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from spoold.journal.format import MAX_N, ItemRecord, decode_record
from spoold.journal.lines import place_of
from spoold.journal.scan import Chunk, Reader, reading, whole_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pyroaring import BitMap

    from spoold.journal.pairs import Pairs
    from spoold.journal.scan import Damage

LARGE: Final = 1 << 20
"""Bytes; a record of this size is read alone, when it is its turn."""
_ANYWHERE: Final = 1 << 62
_MANY: Final = 64
"""Wanted records in a block that are worth reading the whole of it."""
_FEW: Final = 16
"""Where not one record of so many is wanted, those that are are read alone."""


class _Numbers(msgspec.Struct, gc=False):
    q: int
    n: int
    item: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    due: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode: Final = msgspec.json.Decoder(_Numbers).decode_lines


class Stretch(NamedTuple):
    """Whole lines of a segment.

    Attributes:
        offset: where they begin.
        size: their bytes.
        q: number of the last record before them.
        low: items before this position, in these lines, are stragglers.
        usual: they seem to be item records without a gap, with nothing behind a result.
    """

    offset: int
    size: int
    q: int
    low: int
    usual: bool


class Survey:
    """The stretches of one segment, and where its stragglers are.

    Attributes:
        path: of the segment.
        number: of the segment among those that are read together.
        run: it belongs to.
        gen: the same.
        seed: what its records' checksums start from.
        stretches: in the order of the file, which is that of their items.
    """

    def __init__(self, path: str, number: int, damage: Iterable[Damage] = ()) -> None:
        """Read the header of a segment.

        What is void for its number alone can't be seen when it is read alone: so what is known of damage is passed by.

        Raises:
            JournalError: there is no valid one.
        """
        self.path = path
        with reading(path) as fd:
            header = Reader(fd, path).header
        self.run, self.gen, self.seed = header.run, header.gen, header.crc
        self.stretches: list[Stretch] = []
        self.number = number
        self._low = self._q = 0
        own = [one for one in damage if os.path.basename(one.path) == os.path.basename(path)]
        self._void = sorted((one.offset, one.offset + one.size) for one in own)

    def look(self, wanted: BitMap, statuses: Collection[str], stragglers: Pairs, block: int) -> None:
        """Find where records with one of these statuses may be, `block` bytes at a time.

        Raises:
            JournalError: the segment can't be read, or there is no room for the stragglers.
        """
        search = re.compile(rb'","s":"(?:%b)"' % "|".join(statuses).encode())
        with reading(self.path) as fd:
            for chunk in whole_lines(fd, Reader(fd, self.path).offset, block):
                hits = [match.start() for match in islice(search.finditer(chunk.data), _MANY)]
                few = len(hits) < _MANY and len(hits) * _FEW < chunk.data.count(b"\n")
                alone = few or len(chunk.data) > LARGE
                for n, offset in self._records(chunk, hits) if alone else self._late(chunk):
                    if n in wanted and not self._is_void(offset):
                        stragglers.add(n, place_of(self.number, offset))

    def _is_void(self, offset: int) -> bool:
        before = bisect_right(self._void, (offset, _ANYWHERE)) - 1
        return before >= 0 and offset < self._void[before][1]

    def _late(self, chunk: Chunk) -> Iterable[tuple[int, int]]:
        """Note a stretch; position and offset of those of its items that come too late for it."""
        low, q = self._low, self._q
        found: list[tuple[int, int]] = []
        ns, usual = self._straight(chunk.data)
        if ns:
            q = self._q - len(ns)
        else:
            found = list(self._in_turn(chunk))
            ns = [n for n, _ in found]
        top = max(ns, default=-1)
        if top >= low:
            self.stretches.append(Stretch(chunk.offset, chunk.size, q, low, usual))
            self._low = top + 1
        if min(ns, default=low) >= low:
            return ()
        offsets = (chunk.offset + start for start in _starts(chunk.data))
        return [one for one in found or zip(ns, offsets, strict=False) if one[0] < low]

    def _straight(self, data: bytes) -> tuple[list[int], bool]:
        """The positions in lines that are all item records without a gap between them, none if they may not be.

        And whether nothing stands behind a result in any of them.
        """
        try:
            found = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return [], False
        qs, ns = [one.q for one in found], [one.n for one in found]
        if qs[0] <= self._q or qs != list(range(qs[0], qs[0] + len(qs))) or max(ns) > MAX_N:
            return [], False
        self._q = qs[-1]
        return ns, not [one for one in found if one.item is not msgspec.UNSET or one.due is not msgspec.UNSET]

    def _in_turn(self, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """Position and offset of all valid item records of the chunk, also as to their numbers."""
        for start in _starts(chunk.data):
            record = decode_record(chunk.data[start : chunk.data.find(b"\n", start) + 1], self.seed)
            if record is not None and record.q > self._q:
                self._q = record.q
                if isinstance(record, ItemRecord):
                    yield record.n, chunk.offset + start

    def _records(self, chunk: Chunk, hits: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Position and offset of the valid item records on the lines that these bytes are on."""
        for at in hits:
            start = chunk.data.rfind(b"\n", 0, at) + 1
            record = decode_record(chunk.data[start : chunk.data.find(b"\n", at) + 1], self.seed)
            if isinstance(record, ItemRecord):
                yield record.n, chunk.offset + start


def _starts(data: bytes) -> Iterator[int]:
    lines = data.split(b"\n")
    return accumulate((len(line) + 1 for line in lines[:-2]), initial=0)
