"""Single lines of many segments, by their place."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Final

from spoold.errors import JournalError

_OFFSET_BITS: Final = 48
_OFFSET: Final = (1 << _OFFSET_BITS) - 1
_OPEN_FILES: Final = 64
_GUESS: Final = 512  # bytes; most records are shorter


def place_of(number: int, offset: int) -> int:
    """The place of a line at `offset` of the segment with this number."""
    return (number + 1) << _OFFSET_BITS | offset


def number_of(place: int) -> int:
    """The number of the segment that a place is in."""
    return (place >> _OFFSET_BITS) - 1


class Lines:
    """Lines of many segments by place, a place being (segment's number + 1) << 48 | offset; few are open at a time."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, place: int) -> bytes:
        """The line at a place, with its newline.

        Raises:
            JournalError: there is none, or it can't be read.
        """
        number, offset = number_of(place), place & _OFFSET
        try:
            fd = self._descriptor(number)
            line, step = b"", _GUESS
            while not (end := line.find(b"\n") + 1):
                more = os.pread(fd, step, offset + len(line))
                if not more:
                    raise JournalError(f"no record at byte {offset}", where=self.paths[number])
                line, step = line + more, step * 4
        except OSError as error:
            raise JournalError(f"can't be read: {error.strerror}", where=self.paths[number]) from error
        return line[:end]

    def _descriptor(self, number: int) -> int:
        fd = self._open.pop(number, -1)
        if fd < 0:
            if len(self._open) >= _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            fd = os.open(self.paths[number], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._open[number] = fd
        return fd

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.popitem()[1])
