"""A slot's line of shared memory: what runner and worker tell each other without a system call.

    word  writer   meaning
    0     worker   the attempt begun last: position + 1 in the low 40 bits, its number in this worker's life in the
                   rest; 0: none yet
    1     runner   STOP: hand back what has not begun
    2     runner   DRAINING: the job is being stopped (`ctx.draining`)
    3     worker   bytes of the segment known to be synced
    4     worker   STARTED: when the attempt that runs now began, in ns of the monotonic clock; 0: none that is timed
    5     runner   CREDIT: items that may fail in this worker's life before it asks
    6     worker   FAILED: items that failed in this worker's life; stored before CREDIT is read

Each word has one writer and is stored by a single move, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
from typing import Final

BEGUN: Final = 0
STOP: Final = 1
DRAINING: Final = 2
SYNCED: Final = 3
STARTED: Final = 4
CREDIT: Final = 5
FAILED: Final = 6
_WORDS: Final = 7
_POSITION_BITS: Final = 40
_POSITION_MASK: Final = (1 << _POSITION_BITS) - 1
_SERIALS: Final = 1 << 24

Line = memoryview


def new_line() -> Line:
    """A line that processes forked from here on share."""
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")[:_WORDS]


def begun_word(n: int, serial: int) -> int:
    """What the worker writes before its attempt number `serial`, on the item at position `n`."""
    return serial % _SERIALS << _POSITION_BITS | n + 1


def begun_position(word: int) -> int | None:
    """The position of the item begun last; None if the worker has begun nothing."""
    return (word & _POSITION_MASK) - 1 if word else None
