"""What a journal says of its job's newest generation: positions in bitmaps, bits and not objects."""

from dataclasses import dataclass, field

from pyroaring import BitMap

from spoold.core.chunk import Past
from spoold.core.tally import Tally
from spoold.journal.format import JobRecord
from spoold.journal.scan import Damage


@dataclass(frozen=True, slots=True)
class Attempt:
    """An item that was begun and is not settled.

    Attributes:
        deaths: workers that died in it.
        tries_ended: its attempts that ended, in a retry, and counted.
        due: when the next one is due, in seconds since the epoch; None: at once.
        wait: seconds from the end of the last one to that.
        deferred: seconds that it was put off by `RetryLater`.
        strikes: times that it ran out of memory.
        hold: the whole job waits until `due`.
        resolved: it was in doubt, and an operator chose to run it again.
    """

    deaths: int = 0
    tries_ended: int = 0
    due: float | None = None
    wait: float = 0.0
    deferred: float = 0.0
    strikes: int = 0
    hold: bool = False
    resolved: bool = False

    def past(self) -> Past:
        """What its next attempt has to know."""
        return Past(self.tries_ended + 1, self.deferred, self.strikes)


@dataclass(frozen=True, slots=True)
class Block:
    """The fingerprint of one run of the source's items: how many were read, and their digest in hexadecimal."""

    items: int
    digest: str


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """Where a segment ends: its bytes, and its last record's number, crc and offset (q 0: the header's crc)."""

    name: str
    size: int
    q: int
    crc: int
    last: int


@dataclass(slots=True)
class History:
    """What was found of a job.

    Attributes:
        uid, run, gen: of the job, its newest run and generation.
        runs: all runs that have a segment.
        ok, skipped, kept, failed, quarantined, in_doubt: positions by their winning record.
        settled: positions whose winning record of the newest run is final.
        noted: positions with notes (save, once, start), of any run of this generation.
        open: what was begun in the newest run and is not settled in it.
        ids: the mark of the id of every item with a final record in this generation.
        blocks: the newest fingerprint of each run of items of the source, by its index.
        jobs: what happened to the job, in order, without the fingerprints.
        tally: numbers of the newest run.
        results: winning records that have a result.
        segments: all segments of the journal, by run and slot.
        damage: what was wrong in those of this generation.
    """

    uid: str
    run: int
    gen: int
    runs: list[int] = field(default_factory=list)
    ok: BitMap = field(default_factory=BitMap)
    skipped: BitMap = field(default_factory=BitMap)
    kept: BitMap = field(default_factory=BitMap)
    failed: BitMap = field(default_factory=BitMap)
    quarantined: BitMap = field(default_factory=BitMap)
    in_doubt: BitMap = field(default_factory=BitMap)
    settled: BitMap = field(default_factory=BitMap)
    noted: BitMap = field(default_factory=BitMap)
    open: dict[int, Attempt] = field(default_factory=dict)
    ids: BitMap = field(default_factory=BitMap)
    blocks: dict[int, Block] = field(default_factory=dict)
    jobs: list[JobRecord] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    results: int = 0
    segments: list[SegmentEnd] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)

    @property
    def done(self) -> BitMap:
        """Positions that need not run again: ok, skipped or kept."""
        return self.ok | self.skipped | self.kept

    def with_status(self, status: str) -> BitMap:
        """The positions whose winning record has this final status; it is the history's own bitmap."""
        found = getattr(self, status.replace("-", "_"))
        assert isinstance(found, BitMap), status
        return found

    def counts(self) -> dict[str, int]:
        """How many positions ended in each final status."""
        return {
            status: len(self.with_status(status))
            for status in ("ok", "skipped", "kept", "failed", "quarantined", "in-doubt")
        }
