"""From a drop to a job: durable before the dropped file goes, and never done twice for one drop.

A new job is made under a name that is no job's, .new-T, and synced whole; the rename to JOB is what accepts it. For a
job that exists, the manifest waits as next.yaml beside next.drop, which says where it came from; next.drop is written
first and names the drop by the digest of its content, so that a record without its manifest does not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from typing import TYPE_CHECKING, Any, Final, Literal

from spoold.errors import JournalError, SpoolError
from spoold.journal.folder import segment_files
from spoold.journal.format import JobRecord, job_payload
from spoold.journal.scan import Reader, reading
from spoold.journal.segment import Segment
from spoold.supervisor.promote import waiting_drop
from spoold.system.files import fsync_dir, rename_noreplace, write_atomic, write_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.spool import JobDir, Spool
    from spoold.supervisor.drop import Drop

STAGING: Final = ".new-"
_RUNS: Final = 8  # a drop that was accepted longer ago has left its folder


class Acceptance:
    """Makes jobs of drops."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    def accept(self, name: str, drop: Drop) -> Literal["new", "next"] | None:
        """Make the drop job `name`, or the next manifest of that job.

        Returns:
            Which of both it became; None: it was accepted before, and nothing is new.

        Raises:
            OSError, JournalError: it was not accepted, or not durably; to be called again for the same drop.
            SpoolError: what stands at its path is no job.
        """
        directory = self.spool.job(name)
        try:
            found = os.lstat(directory.root)
        except FileNotFoundError:
            self._new(directory, drop)
            return "new"
        if not stat.S_ISDIR(found.st_mode):
            raise SpoolError("this is no folder of a job", where=directory.root, remedy="move it away")
        if any(drop.recorded_as(record) for record in journalled_drops(directory)):
            fsync_dir(self.spool.jobs)
            return None
        self._next(directory, drop)
        return "next"

    def clean(self) -> None:
        """Remove what a killed daemon left half-made."""
        with os.scandir(self.spool.jobs) as entries:
            left = [entry.path for entry in entries if entry.name.startswith(STAGING)]
        for path in left:
            shutil.rmtree(path)

    def _new(self, directory: JobDir, drop: Drop) -> None:
        uid = secrets.token_hex(16)
        staging = f"{self.spool.jobs}/{STAGING}{uid[:12]}"
        try:
            _build(staging, directory.name, uid, drop)
            rename_noreplace(staging, directory.root)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        try:
            fsync_dir(self.spool.jobs)
        except OSError:
            # Visible but not durable: whoever saw the job now could lose it. It was never told; take it back.
            with contextlib.suppress(OSError):
                os.rename(directory.root, staging)
                shutil.rmtree(staging, ignore_errors=True)
            raise

    def _next(self, directory: JobDir, drop: Drop) -> None:
        records = [drop.record()]
        if before := _waiting(directory):
            records.insert(0, before)  # counts until next.yaml is replaced
        lines = [json.dumps(record, separators=(",", ":")) for record in records]
        write_atomic(directory.next_drop, "".join(f"{line}\n" for line in lines).encode())
        write_atomic(directory.next, drop.data)


def _build(staging: str, job: str, uid: str, drop: Drop) -> None:
    """A whole job's folder, synced."""
    journal = f"{staging}/journal"
    os.mkdir(staging, 0o700)
    os.mkdir(journal, 0o700)
    write_new(f"{staging}/manifest.yaml", drop.data)
    segment = Segment.create(journal, job=job, uid=uid, run=1, gen=1, slot=0)
    try:
        segment.append(job_payload("accepted", time.time(), mode="drop", drop=drop.record()))
        segment.sync()
    finally:
        segment.close()
    fsync_dir(journal)
    fsync_dir(staging)


def journalled_drops(directory: JobDir) -> Iterator[dict[str, Any]]:
    """The drops that began this job's runs, newest first; a segment that can't be read says nothing."""
    own = [file for file in segment_files(directory.journal) if file.slot == 0]
    for file in reversed(own[-_RUNS:]):
        with contextlib.suppress(JournalError, OSError), reading(file.path) as descriptor:
            first = next(iter(Reader(descriptor, file.path).records()), None)
            record = first.record if first else None
            if isinstance(record, JobRecord) and isinstance(drop := record.fields.get("drop"), dict):
                yield drop


def recorded_drops(directory: JobDir) -> Iterator[dict[str, Any]]:
    """The drops that were accepted for this job: those of its runs and the one that waits."""
    yield from journalled_drops(directory)
    if waiting := _waiting(directory):
        yield waiting


def _waiting(directory: JobDir) -> dict[str, Any] | None:
    """The drop that next.yaml is; None: nothing waits, or nobody knows where it came from."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(directory.next, "rb") as file:
        return waiting_drop(directory, hashlib.file_digest(file, "sha256").hexdigest())
    return None
