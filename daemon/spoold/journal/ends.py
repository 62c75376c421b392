"""Where segments end, and whether they still end there: what a seal is checked against, without reading the rest."""

from __future__ import annotations

import os

from spoold.errors import JournalError
from spoold.journal.format import TAIL, decode_record
from spoold.journal.history import SegmentEnd
from spoold.journal.scan import Reader, check_owner, reading


def end_of(reader: Reader) -> SegmentEnd:
    """The end of the last valid record that a reader has read."""
    crc = int(os.pread(reader.fd, 8, reader.end - 11), 16)
    return SegmentEnd(os.path.basename(reader.path), reader.end, reader.q, crc, reader.last)


def read_end(path: str) -> SegmentEnd | None:
    """The end of a segment, from its last line alone; None when that is no valid record.

    Raises:
        JournalError: it can't be read, or has no valid header.
    """
    with reading(path) as fd:
        reader = Reader(fd, path)
        size = os.fstat(fd).st_size
        if size == reader.end:
            return end_of(reader)
        start, step = size, 4096
        line = b""
        while b"\n" not in line[:-1] and start > 0:
            start, step = max(0, size - step), step * 4
            line = os.pread(fd, size - start, start)
        line = line[line.rfind(b"\n", 0, -1) + 1 :]
        record = decode_record(line, reader.header.crc)
        if record is None:
            return None
        crc = int(line[-11:-3], 16)
        return SegmentEnd(os.path.basename(path), size, record.q, crc, size - len(line))


def fits(journal_dir: str, end: SegmentEnd, *, job: str | None, uid: str) -> bool:
    """Whether a segment of this job ends as `end` says; its last record is compared, not read whole."""
    path = os.path.join(journal_dir, end.name)
    try:
        with reading(path) as fd:
            reader = Reader(fd, path)
            check_owner(reader, reader.header.job if job is None else job, uid)
            if os.fstat(fd).st_size != end.size:
                return False
            if os.pread(fd, TAIL, end.size - TAIL) != b',"crc":"%08x"}\n' % end.crc:
                return False
            begin = b'\n{"q":%d,' % end.q
            return end.size == reader.end if end.q == 0 else os.pread(fd, len(begin), end.last - 1) == begin
    except JournalError:
        return False
