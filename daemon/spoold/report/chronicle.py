"""Everything that a report shows of a job's newest run, gathered from its journal in one pass and bounded memory.

Every record's checksum is looked at; what is void does not count. A segment that is being written is read as far as its
last whole record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from spoold.core.ending import MEMORY
from spoold.core.messages import Counts
from spoold.core.tally import Tally
from spoold.errors import JournalError
from spoold.journal.folder import segment_files
from spoold.journal.format import JobRecord
from spoold.journal.scan import HeaderTornError, Reader, check_owner, reading
from spoold.report.bins import Bins
from spoold.report.events import MOST, Moment, Stretch, moments, stretches
from spoold.report.faults import Faults
from spoold.report.records import Item, blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spoold.journal.folder import SegmentFile

BAD: Final = frozenset(("failed", "quarantined", "in-doubt"))
_SHOWN: Final = {"ok": "ok", "skipped": "skipped", "failed": "bad", "quarantined": "bad", "in-doubt": "bad"}
_NOTED: Final = frozenset(("block", "source", "page"))  # job records that no timeline shows


@dataclass(slots=True)
class Worker:
    """What one slot did.

    Attributes:
        items: that it settled.
        busy: milliseconds of attempts.
        retries: attempts that it ended with another to come.
        deaths: of its processes, in an item.
        peak: bytes that it used at most; None: not known.
    """

    items: int = 0
    busy: float = 0.0
    retries: int = 0
    deaths: int = 0
    peak: int | None = None


@dataclass(slots=True)
class Chronicle:
    """A job's newest run.

    Attributes:
        job, run: which.
        runs: how many runs there were.
        bins: what happened when; the names of events are ok, skipped, bad, retry, died, and `died 3` in slot 3.
        tally: counts and durations.
        failures: of items that ended badly, by kind of error.
        retries: errors after which an item was to be tried again, by kind.
        deaths: of workers, by kind of what they met.
        waited: seconds from these to the next attempt, of all items together.
        tries: how many items were settled at which attempt.
        workers: by slot.
        records: the run's job records.
        moments: what happened to the job, in all runs.
        left_out: how many older moments are not there.
        stretches: when the run ran.
        counts: as the run's last record has them; None: it says none, or items were recorded since.
        damaged: places in the run's segments that are void.
    """

    job: str
    run: int = 0
    runs: int = 0
    bins: Bins = field(default_factory=Bins)
    tally: Tally = field(default_factory=Tally)
    failures: Faults = field(default_factory=Faults)
    retries: Faults = field(default_factory=Faults)
    deaths: Faults = field(default_factory=Faults)
    waited: float = 0.0
    tries: Counter[int] = field(default_factory=Counter)
    workers: defaultdict[int, Worker] = field(default_factory=lambda: defaultdict(Worker))
    records: list[JobRecord] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    left_out: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    counts: Counts | None = None
    damaged: int = 0

    @property
    def active(self) -> float:
        """Seconds in which the run ran."""
        return sum(stretch.stop - stretch.start for stretch in self.stretches)

    @property
    def settled(self) -> int:
        """Items that this run settled."""
        tally = self.tally
        return tally.ok + tally.skipped + tally.failed + tally.quarantined + tally.in_doubt

    @property
    def starved(self) -> int:
        """Attempts that ran out of memory."""
        return sum(faults.of(MEMORY) for faults in (self.failures, self.retries, self.deaths))

    @property
    def state(self) -> str | None:
        """How the run ended; None if it has not."""
        for record in reversed(self.records):
            if record.event == "finished":
                return str(record.fields.get("state"))
            if record.event == "started":
                break
        return None

    def last(self, event: str) -> JobRecord | None:
        """The newest record of the run with this event."""
        return next((record for record in reversed(self.records) if record.event == event), None)


def chronicle(journal_dir: str, job: str) -> Chronicle:
    """Read a job's journal: job records of all runs, item records of the newest.

    Raises:
        JournalError: there is none, it can't be read, or a segment is foreign or of a newer version.
    """
    try:
        files = segment_files(journal_dir)
    except OSError as error:
        raise JournalError(f"can't be read: {error.strerror}", where=journal_dir) from error
    if not files:
        raise JournalError("there is no journal", where=journal_dir)
    found = Chronicle(job, files[-1].run, len({file.run for file in files}))
    for file in files:
        if file.run == found.run or file.slot == 0:
            _segment(file, found)
    found.left_out = max(0, len(found.moments) - MOST)
    del found.moments[: found.left_out]
    found.stretches = stretches(found.records, found.bins)
    _last_word(found)
    return found


def _segment(file: SegmentFile, found: Chronicle) -> None:
    """Take in one segment; of an older run its job records only."""
    newest, jobs = file.run == found.run, list[JobRecord]()
    with reading(file.path) as fd:
        try:
            reader = Reader(fd, file.path)
        except HeaderTornError:
            return  # it is being made
        check_owner(reader, found.job, reader.header.uid)
        for block in blocks(reader):
            _take(block, file.slot, jobs, found if newest else None)
    if newest:
        found.records += jobs
        found.damaged += len(reader.damage)
    found.moments += moments(file.run, jobs)


def _take(block: Sequence[Item | JobRecord], slot: int, jobs: list[JobRecord], found: Chronicle | None) -> None:
    """Sort the records of a block: the job's into `jobs`, the items' into the chronicle, if there is one."""
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for record in block:
        if isinstance(record, JobRecord):
            if record.event not in _NOTED:
                jobs.append(record)
        elif found is not None:
            groups[record.s].append(record)
    if found is not None:
        for status, records in groups.items():
            _group(status, records, slot, found)


def _group(status: str, records: Sequence[Item], slot: int, found: Chronicle) -> None:
    """Take in records of one status."""
    times = [int(record.t * 1000) for record in records]
    worker = found.workers[slot - 1] if slot else None
    if shown := _SHOWN.get(status):
        found.tally.add_group(status, records, 0)
        found.bins.count(shown, times)
        found.tries.update([record.attempt for record in records])
        if worker is not None:
            worker.items += len(records)
    if status in BAD:
        for record in records:
            found.failures.add(record)
    elif status == "retry":
        _retried(records, times, worker, found)
    elif status == "died":
        found.tally.died += len(records)
        found.bins.count("died", times)
        for record, time in zip(records, times, strict=True):
            named = found.deaths.add(record)
            if named is not None:
                found.workers[named].deaths += 1
                found.bins.count(f"died {named}", [time])
    if worker is not None:
        spans = [record.ms or 0.0 for record in records]
        worker.busy += sum(spans)
        found.bins.work(slot - 1, times, spans)


def _retried(records: Sequence[Item], times: Sequence[int], worker: Worker | None, found: Chronicle) -> None:
    found.tally.retries += len(records)
    found.bins.count("retry", times)
    for record in records:
        found.retries.add(record)
        found.waited += max(0.0, (record.due or record.t) - record.t)
    if worker is not None:
        worker.retries += len(records)


def _last_word(found: Chronicle) -> None:
    """Peaks and counts as the run's records have them."""
    for record in found.records:
        peaks = record.fields.get("peaks")
        for slot, peak in peaks.items() if isinstance(peaks, dict) else ():
            worker = found.workers[int(slot)]
            worker.peak = max(int(peak), worker.peak or 0)
    for record in reversed(found.records):
        if record.event == "started":
            return
        if record.fields.get("counts"):
            found.counts = msgspec.convert(record.fields["counts"], Counts)
            return
