"""A job's own records, read and written while it has no runner.

The state of a job is what the records of its newest run's segment 000 lead to. A segment may be large (malformed or
kept items stand there too), so of an ended run only its tail is read; the other records of a run are few and come first
or last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import time
from typing import Any, Final

from spoold.core.job import JobEvent, JobState, TransitionError, advance
from spoold.errors import JournalError
from spoold.journal.folder import SegmentFile, segment_files, segment_name
from spoold.journal.format import Header, JobRecord, job_payload
from spoold.journal.scan import Reader, reading
from spoold.journal.segment import Segment
from spoold.spool import JobDir
from spoold.system.files import fsync_dir

_TAIL: Final = 256 * 1024
_WHOLE: Final = 1 << 20


def newest(directory: JobDir) -> SegmentFile:
    """The runner's segment of the newest run.

    Raises:
        JournalError: there is none.
    """
    own = [file for file in segment_files(directory.journal) if file.slot == 0]
    if not own:
        raise JournalError("no journal", where=directory.journal, remedy="restore it, or move the job's folder away")
    return own[-1]


def read(directory: JobDir) -> tuple[Header, list[JobRecord]]:
    """Header and job records of the newest run: all, or, of a large segment that ended, the first and the last.

    Raises:
        JournalError: the journal can't be read, is another job's, or was written by a newer version.
    """
    path = newest(directory).path
    with reading(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > _WHOLE:
            header, some = _ends(descriptor, path, size)
            if state_of(some).ended:
                return header, some
        reader = Reader(descriptor, path)
        found = list(_jobs(reader))
    if reader.header.job != directory.name:
        raise JournalError(f"it belongs to job {reader.header.job!r}", where=path, remedy="move it away")
    return reader.header, found


def _jobs(reader: Reader) -> Iterator[JobRecord]:
    return (found.record for found in reader.records() if isinstance(found.record, JobRecord))


def _ends(descriptor: int, path: str, size: int) -> tuple[Header, list[JobRecord]]:
    """The first record and those in the last `_TAIL` bytes."""
    reader = Reader(descriptor, path)
    first = next(_jobs(reader), None)
    start = size - _TAIL
    block = os.pread(descriptor, _TAIL, start)
    tail = Reader(descriptor, path, start=start + block.find(b"\n") + 1)
    return reader.header, ([first] if first else []) + list(_jobs(tail))


def state_of(records: Iterable[JobRecord]) -> JobState:
    """Where the records lead; what is not an event of the job's table is passed over."""
    state = JobState.QUEUED
    for record in records:
        name = record.fields.get("state") if record.event == "finished" else record.event
        try:
            state = advance(state, JobEvent(str(name)))
        except (ValueError, TransitionError):
            continue
    return state


def ended(directory: JobDir) -> bool:
    """Whether the newest run has its last record.

    Raises:
        JournalError: the journal can't be read.
    """
    return state_of(read(directory)[1]).ended


def last(records: Iterable[JobRecord], event: str) -> JobRecord | None:
    """The newest record of that event."""
    return next((record for record in reversed(list(records)) if record.event == event), None)


def append(directory: JobDir, event: str, **fields: Any) -> None:
    """Write one job record, durably; no runner of the job lives.

    Raises:
        JournalError: it can't be written.
    """
    file = newest(directory)
    with reading(file.path) as descriptor:
        header = Reader(descriptor, file.path).header
    segment = Segment.open(file.path, job=header.job, uid=header.uid)
    try:
        segment.append(job_payload(event, time(), **fields))
        segment.sync()
    finally:
        segment.close()


def begin_run(directory: JobDir, **accepted: Any) -> int:
    """Make the segment of a new run, its `accepted` record in it; the number of the run.

    The segment gets its name when it is whole, so that a run is there with its acceptance or not at all.

    Raises:
        JournalError: it can't be written.
    """
    before = newest(directory)
    with reading(before.path) as descriptor:
        header = Reader(descriptor, before.path).header
    run = before.run + 1
    staging = f"{directory.journal}/.new"
    os.makedirs(staging, mode=0o700, exist_ok=True)
    for name in os.listdir(staging):
        os.unlink(f"{staging}/{name}")
    segment = Segment.create(staging, job=header.job, uid=header.uid, run=run, gen=header.gen, slot=0)
    try:
        segment.append(job_payload("accepted", time(), **accepted))
        segment.sync()
    finally:
        segment.close()
    name = segment_name(run, 0)
    # by a second name: a rename between two folders can lose the file when the power goes
    os.link(f"{staging}/{name}", f"{directory.journal}/{name}")
    fsync_dir(directory.journal)
    with suppress(OSError):  # the next run removes it
        os.unlink(f"{staging}/{name}")
    return run
