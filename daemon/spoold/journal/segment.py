"""One writer's file of the journal.

What is promised: a record that `append` returned for is whole in the file; `sync` returned, and it is on the disk.
After a failure the file ends with a whole record, or the segment is broken and takes no more. What stands after the
last valid record of a file that is opened again is never overwritten: it is put aside, cut off and noted, in this
order, so that a kill at any step leaves what the next opening completes:

    1. the tail is copied to RRR-SSS.torn-OFFSET, by way of a temporary name; the copy and the folder are synced
    2. the segment is truncated to its last valid record and synced
    3. a `cut` record is appended and synced

A copy RRR-SSS.torn-OFFSET whose OFFSET is the very end of the segment says that step 3 is still to be done.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from spoold.journal.failure import SegmentBroken, SegmentFull, trouble
from spoold.journal.folder import parse_name, segment_name
from spoold.journal.format import Header, encode_header, frame, job_payload
from spoold.journal.mend import drop_torn, mark_unsynced, put_aside, put_asides, recopy, sync_folder, unsynced_mark
from spoold.journal.scan import Found, HeaderTornError, Reader, check_owner, reading

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Segment", "SegmentBroken", "SegmentFull", "parse_name", "recopy", "segment_name"]


class Syncs:
    """The syncs of segments by this process.

    Attributes:
        count: of them.
        seconds: that they took.
    """

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0


SYNCS: Final = Syncs()


class Segment:
    """A segment open for appending by its one writer.

    Attributes:
        fd: its descriptor; -1 when closed.
        header: its first line.
        seed: what its records' checksums start from.
        q: the number of the last record.
        path: where it is, if this process opened it.
    """

    def __init__(self, fd: int, header: Header, q: int, size: int, path: str | None = None) -> None:
        self.fd, self.header, self.seed, self.q, self.path = fd, header, header.crc, q, path
        self._size = size
        self._torn = False  # a tail is to be cut off, or its cut to be noted, before anything is appended
        self._broken: SegmentBroken | None = None

    @classmethod
    def create(cls, directory: str, *, job: str, uid: str, run: int, gen: int, slot: int) -> Self:
        """Make a new segment, its header synced; the caller syncs the directory.

        Raises:
            SegmentFull: no room; no file is left.
            SegmentBroken: the file can't be made, or it exists.
        """
        path = os.path.join(directory, segment_name(run, slot))
        line, crc = encode_header(job, uid, run, gen, slot)
        fd = -1
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            _write_whole(fd, line)
            os.fdatasync(fd)
        except OSError as error:
            if fd >= 0:
                with suppress(OSError):  # the first failure is the one to tell
                    os.unlink(path)
                os.close(fd)
            raise trouble(error, path) from error
        return cls(fd, Header(job, uid, run, gen, slot, crc), 0, len(line), path)

    @classmethod
    def open(cls, path: str, *, job: str, uid: str) -> Self:
        """Open a segment to go on in it, its torn tail put aside, cut off and noted.

        A segment whose last sync failed is first copied to a new file (`recopy`).

        Raises:
            HeaderTornError: it holds no whole header and no record: create it again (`create_or_open`).
            NewerFormatError: a newer version wrote it.
            JournalError: it is another job's, or its name or header is wrong; it is left as it is.
            SegmentFull: no room to put the tail aside or to note it; opening again goes on from there.
            SegmentBroken: another failure of the disk.
        """
        with reading(path) as fd:
            check_owner(Reader(fd, path), job, uid)
        fd = -1
        try:
            if os.path.exists(unsynced_mark(path)):
                recopy(path)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            reader = Reader(fd, path)
            reader.skim()
            segment = cls(fd, reader.header, reader.q, reader.end, path)
            segment._torn = True  # perhaps only by a cut that was not noted
            segment.mend()
        except BaseException as error:
            if fd >= 0:
                os.close(fd)
            if isinstance(error, OSError):
                raise trouble(error, path) from error
            raise
        return segment

    @classmethod
    def create_or_open(cls, directory: str, *, job: str, uid: str, run: int, gen: int, slot: int) -> Self:
        """Open a run's segment; make it if it is not there, or if its creation was cut short.

        Raises:
            JournalError: as `create` and `open`.
        """
        path = os.path.join(directory, segment_name(run, slot))
        try:
            if os.path.lexists(path):
                return cls.open(path, job=job, uid=uid)
        except HeaderTornError:
            drop_torn(path, encode_header(job, uid, run, gen, slot)[0])
            segment = cls.create(directory, job=job, uid=uid, run=run, gen=gen, slot=slot)
            try:
                sync_folder(path)  # the name was there before, so the caller takes it for durable
            except OSError as error:
                segment.close()
                raise trouble(error, path) from error
            return segment
        return cls.create(directory, job=job, uid=uid, run=run, gen=gen, slot=slot)

    @classmethod
    def attach(cls, fd: int, header: Header, q: int, path: str | None = None) -> Self:
        """Go on in a segment that this process inherited open; `q` is the number of its last record."""
        return cls(fd, header, q, os.fstat(fd).st_size, path)

    def append(self, payload: bytes) -> int:
        """Write one record, by one write(2).

        Returns:
            The offset of its line.

        Raises:
            SegmentFull: no room; nothing of it stands in the file.
            SegmentBroken: another failure, now or before.
        """
        if self._broken is not None or self._torn:
            self.mend()
        offset = self._size
        self.put(frame(self.q + 1, payload, self.seed))
        return offset

    def put(self, line: bytes) -> None:
        """Write a line, made as the record after `q`, by one write(2). There must be no torn tail: a worker has none.

        Raises:
            SegmentFull: no room; nothing of it stands in the file.
            SegmentBroken: another failure, now or before.
        """
        if self._broken is not None:
            raise self._broken
        try:
            written = os.write(self.fd, line)
        except OSError as error:
            raise self._cut_back(error) from error
        if written != len(line):
            raise self._cut_back(OSError(errno.ENOSPC, "short write"))
        self._size += written
        self.q += 1

    def sync(self) -> None:
        """Bring the records to the disk.

        Raises:
            SegmentBroken: it failed, now or before (the kernel may have dropped what was not written, so it is never
                tried again), or the file was deleted or cut by somebody else.
        """
        if self._broken is not None:
            raise self._broken
        self._sync(os.fdatasync)
        found = os.fstat(self.fd)
        if found.st_nlink == 0:
            raise self._break(errno.ESTALE, "the segment was deleted or replaced")
        if found.st_size < self._size:
            raise self._break(errno.ESTALE, "the segment was cut by somebody else")

    def note(self, size: int, q: int) -> None:
        """Take over how far another process, which this segment was handed to, has written it."""
        self._size, self.q = size, q

    def recover(self) -> list[Found]:
        """The records that the process it was handed to wrote after the last `note`, now that this process is dead.

        Its torn tail is cut off; where there is no room for that, `mend` (or the next `append`) does it later. Until
        `mend` has succeeded the segment must not be handed on.

        Raises:
            SegmentBroken: the disk failed.
        """
        reader = Reader(self.fd, self.path or "", start=self._size, q=self.q)
        found = list(reader.records())
        self._size, self.q = reader.end, reader.q
        self._torn = True
        if self.path and os.path.exists(unsynced_mark(self.path)):
            self._break(errno.EIO, "a sync of the segment failed")
            return found
        with suppress(SegmentFull):
            self.mend()
        return found

    def mend(self) -> None:
        """Cut off a torn tail and note it, if there is one.

        Raises:
            SegmentFull: no room; what is there is kept.
            SegmentBroken: another failure, now or before.
        """
        if self._broken is not None:
            raise self._broken
        if not self._torn or self.path is None:
            return
        try:
            beyond = self.written() - self._size
            if beyond < 0:
                raise self._break(errno.ESTALE, "the segment was cut by somebody else")
            if beyond:
                put_aside(self.fd, self.path, self._size, beyond)
                os.ftruncate(self.fd, self._size)
            # Also what an earlier process wrote and did not sync, since it will be taken for done.
            self._sync(os.fsync)
            asides = put_asides(self.path, self._size)
            if asides:
                cut = job_payload("cut", time.time(), offset=self._size, bytes=os.stat(asides[-1]).st_size)
                self.put(frame(self.q + 1, cut, self.seed))
                self._sync(os.fdatasync)
        except OSError as error:
            failure = trouble(error, self.path)
            raise failure if isinstance(failure, SegmentFull) else self._break(error.errno) from error
        self._torn = False

    def size(self) -> int:
        """Its length in bytes, as far as this process knows."""
        return self._size

    def written(self) -> int:
        """Its length in bytes as the file system has it, whoever wrote it."""
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the descriptor; nothing is synced."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _cut_back(self, error: OSError) -> SegmentFull | SegmentBroken:
        """Take back what a failed write may have left; truncating works on a full disk."""
        failure = trouble(error, self.path)
        if isinstance(failure, SegmentBroken):
            return self._break(error.errno)
        try:
            os.ftruncate(self.fd, self._size)
        except OSError as worse:
            return self._break(worse.errno)
        return failure

    def _break(self, code: int | None, what: str | None = None) -> SegmentBroken:
        self._broken = SegmentBroken(code or errno.EIO, self.path, what)
        return self._broken

    def _sync(self, call: Callable[[int], None]) -> None:
        """Sync once; a failure leaves word for the next opening, also by another process, if the disk lets it."""
        began = time.perf_counter()
        try:
            call(self.fd)
            SYNCS.count += 1
            SYNCS.seconds += time.perf_counter() - began
        except OSError as error:
            with suppress(OSError):
                path = self.path or os.readlink(f"/proc/self/fd/{self.fd}")
                if parse_name(os.path.basename(path)):
                    mark_unsynced(path)
            raise self._break(error.errno) from error


def _write_whole(fd: int, line: bytes) -> None:
    if os.write(fd, line) != len(line):
        raise OSError(errno.ENOSPC, "short write")
