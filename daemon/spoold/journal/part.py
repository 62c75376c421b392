"""What one segment contributes to its job's history: made where the segment is read, merged by `replay`."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import msgspec
from pyroaring import BitMap

from spoold.core.identity import marks
from spoold.core.tally import Tally
from spoold.errors import JournalError
from spoold.journal.bulk import BulkRecord, decode_block, decode_plain
from spoold.journal.ends import end_of
from spoold.journal.format import FINAL, STATUSES, ItemRecord, JobRecord
from spoold.journal.history import Block, SegmentEnd
from spoold.journal.scan import Damage, Found, Reader, reading, whole_lines

_BATCH: Final = 1 << 17  # marks of ids
_RANK = {status: rank for rank, status in enumerate(STATUSES)}


class Task(NamedTuple):
    """A segment to read, and what of it: the items of the wanted generation, and the numbers of the newest run."""

    path: str
    items: bool
    timed: bool


class Key(NamedTuple):
    """What decides between the records of one item; the smallest key wins."""

    run: int  # negated
    attempt: int  # negated
    rank: int
    plain: bool

    @classmethod
    def of(cls, run: int, record: ItemRecord | BulkRecord) -> Self:
        """The key of a record that stands in a segment of `run`."""
        return cls(-run, -record.attempt, _RANK[record.s], record.result is msgspec.UNSET)

    @property
    def status(self) -> str:
        """The status of the records that have this key."""
        return STATUSES[self.rank]


@dataclass(frozen=True, slots=True)
class Claim:
    """The positions of a segment's records that have one key."""

    key: Key
    positions: BitMap


@dataclass(slots=True)
class Part:
    """The contribution of one segment."""

    path: str
    end: SegmentEnd
    run: int
    slot: int
    claims: list[Claim]
    ids: BitMap
    jobs: list[JobRecord]
    blocks: dict[int, Block]
    tally: Tally
    damage: list[Damage]


@dataclass(slots=True)
class _Collector:
    run: int
    timed: bool
    claims: defaultdict[Key, BitMap] = field(default_factory=lambda: defaultdict(BitMap))
    ids: BitMap = field(default_factory=BitMap)
    pending: list[int] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def flush(self) -> None:
        """Bring the marks gathered so far into the bitmap, in order: out of order each insertion is a cache miss."""
        self.ids.update(sorted(self.pending))
        self.pending = []

    def collect_plain(self, records: Sequence[BulkRecord]) -> None:
        """Take in records that are all `ok` at their first attempt, with a duration and no result."""
        ns = [record.n for record in records]
        self.claims[Key(-self.run, -1, 0, plain=True)].update(ns)
        self._mark([record.id for record in records])
        if not self.timed:
            return
        tally, spans = self.tally, Counter[int]()
        for ms, count in Counter([record.ms for record in records]).items():
            spans[int((ms or 0.0) * 100 + 0.5)] += count
        tally.add_ok(spans, 0)
        longest = max(spans)
        if longest > tally.floor or (longest == tally.floor and min(ns) < tally.floor_n):
            least = tally.floor / 100
            tally.slow([(one.ms, one.n, one.id) for one in records if one.ms is not None and one.ms >= least])

    def collect(self, records: Sequence[ItemRecord | BulkRecord]) -> None:
        """Take in records, a group of one kind at a time."""
        unset = msgspec.UNSET
        kinds = {(record.attempt, record.s, record.result is unset) for record in records}
        if len(kinds) == 1:
            self._group(records)
            return
        groups: defaultdict[tuple[int, str, bool], list[ItemRecord | BulkRecord]] = defaultdict(list)
        for record in records:
            groups[record.attempt, record.s, record.result is unset].append(record)
        for group in groups.values():
            self._group(group)

    def _group(self, records: Sequence[ItemRecord | BulkRecord]) -> None:
        key = Key.of(self.run, records[0])
        self.claims[key].update([record.n for record in records])
        if key.status in FINAL:
            self._mark([record.id for record in records])
        if self.timed:
            self.tally.add_group(key.status, records, 0 if key.plain else len(records))

    def _mark(self, ids: Sequence[str]) -> None:
        self.pending += marks(ids)
        if len(self.pending) >= _BATCH:
            self.flush()


def read_part(task: Task) -> Part:
    """Read a segment whole, checking every record.

    Raises:
        JournalError: it can't be read, or has no valid header.
    """
    with reading(task.path) as fd:
        reader = Reader(fd, task.path)
        run, slot = reader.header.run, reader.header.slot
        found = _Collector(run, task.timed)
        jobs: list[JobRecord] = []
        blocks: dict[int, Block] = {}
        for chunk in whole_lines(fd, reader.offset):
            block = decode_plain(chunk.data, reader.header.crc, reader.q)
            take = found.collect_plain
            if block is None:
                block = decode_block(chunk.data, reader.header.crc, reader.q)
                take = found.collect
            if block is not None:
                reader.accept(chunk, block[-1].q)
                if task.items:
                    take(block)
                continue
            items = []
            for record in map(_record, reader.take(chunk)):
                if isinstance(record, ItemRecord):
                    items.append(record)
                elif slot == 0:
                    _job(record, jobs, blocks, task)
            if items and task.items:
                found.collect(items)
        found.flush()
        tail = reader.tail()
        damage = [*reader.damage, tail] if tail else reader.damage
        claims = [Claim(key, positions) for key, positions in found.claims.items()]
        return Part(task.path, end_of(reader), run, slot, claims, found.ids, jobs, blocks, found.tally, damage)


def _record(found: Found) -> ItemRecord | JobRecord:
    return found.record


def _job(record: JobRecord, jobs: list[JobRecord], blocks: dict[int, Block], task: Task) -> None:
    """Sort a record of the runner's segment into fingerprints and events."""
    if record.event != "block":
        jobs.append(record)
    elif task.items:
        try:
            block = msgspec.convert(record.fields, Block)
            blocks[msgspec.convert(record.fields.get("block"), int)] = block
        except msgspec.ValidationError as error:
            raise JournalError(f"record {record.q} is no fingerprint: {error}", where=task.path) from error
