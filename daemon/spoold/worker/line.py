"""A slot's line of shared memory: what runner and worker tell each other without a system call.

    word  writer   meaning
    0     worker   the attempt begun last: position + 1 in the low 40 bits, try in the rest; 0: none yet
    1     runner   STOP: hand back what has not begun
    2     runner   DRAINING: the job is being stopped (`ctx.draining`)
    3     worker   bytes of the segment known to be synced

Each word has one writer and is stored by a single move, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
from typing import Final

BEGUN: Final = 0
STOP: Final = 1
DRAINING: Final = 2
SYNCED: Final = 3
_WORDS: Final = 4
_POSITION_BITS: Final = 40
_POSITION_MASK: Final = (1 << _POSITION_BITS) - 1

Line = memoryview


def new_line() -> Line:
    """A line that processes forked from here on share."""
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")[:_WORDS]


def begun_word(n: int, attempt: int) -> int:
    """What the worker writes before attempt `attempt` of the item at position `n`."""
    return attempt << _POSITION_BITS | n + 1


def begun(line: Line) -> tuple[int, int] | None:
    """The (position, try) begun last; None if the worker has begun nothing."""
    word = line[BEGUN]
    return ((word & _POSITION_MASK) - 1, word >> _POSITION_BITS) if word else None
