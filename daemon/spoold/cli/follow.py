"""Reading a job's records as they come: those of all segments of the newest run, and of the runs after it.

Holds no file open and begins each look where the last one ended, so that segments may be added, mended, or replaced by
a new run's meanwhile.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spoold.journal.folder import SegmentFile, segment_files
from spoold.journal.scan import HeaderTornError, Reader, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spoold.journal.scan import Found
    from spoold.spool import JobDir

_TAIL: Final = 1 << 16  # bytes of a segment that are read at first when only its last records are wanted


@dataclass(slots=True)
class Place:
    """How far a segment was read: the file, and where its last record ended, whose number is `q`."""

    ino: int
    end: int = 0
    q: int = 0


class Follower:
    """Reads what came to a job since the last look, from the run on that was the newest at the first look.

    Args:
        directory: the job's.
        keep: which records are wanted.
    """

    def __init__(self, directory: JobDir, keep: Callable[[Found], bool]) -> None:
        self._directory = directory
        self._keep = keep
        self._since = 0
        self._places: dict[str, Place] = {}

    def fresh(self, last: int | None = None) -> Iterator[Found]:
        """The records that were not read yet, by time as far as the segments are in order themselves.

        Args:
            last: only so many, the last of them; None: all. Of a long segment only its end is read then.
        """
        files = segment_files(self._directory.journal)
        self._since = self._since or max((file.run for file in files), default=0)
        wanted = [file for file in files if file.run >= self._since]
        if last is None:
            return heapq.merge(*map(self._of, wanted), key=_time)
        ends = [self._last(file, last) for file in wanted]
        return iter(deque(heapq.merge(*ends, key=_time), maxlen=last))

    def _last(self, file: SegmentFile, count: int) -> list[Found]:
        """The last records of a segment: of its end, or of a longer end where that has too few."""
        size = _TAIL
        while True:
            start = max(0, _size(file.path) - size)
            found = list(deque(self._of(file, start), maxlen=count))
            if len(found) == count or not start:
                return found
            del self._places[file.path]
            size *= 8

    def _of(self, file: SegmentFile, start: int = 0) -> Iterator[Found]:
        """A segment's records after those that were read; of one that was not, those that begin after `start`."""
        try:
            with reading(file.path) as descriptor:
                ino = os.fstat(descriptor).st_ino
                place = self._places.get(file.path)
                if place is None or place.ino != ino:
                    end = _line_after(descriptor, start) if place is None else 0
                    place = self._places[file.path] = Place(ino, end, q=place.q if place else 0)
                for found in Reader(descriptor, file.path, start=place.end, q=place.q).records():
                    place.end, place.q = found.offset + len(found.line), found.record.q
                    if self._keep(found):
                        yield found
        except HeaderTornError:
            return  # it is being made


def _time(found: Found) -> float:
    return found.record.t


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _line_after(descriptor: int, start: int) -> int:
    """Where the first line begins that begins after `start`; 0 for the beginning."""
    at = start
    while start and (block := os.pread(descriptor, _TAIL, at)):
        cut = block.find(b"\n") + 1
        if cut:
            return at + cut
        at += len(block)
    return at
