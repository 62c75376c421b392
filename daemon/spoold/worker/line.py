"""A slot's line of shared memory: what runner and worker tell each other without a system call.

    word  writer   meaning
    0     worker   the attempt begun last: position + 1 in the low 40 bits, its number in this worker's life in the
                   rest; 0: none yet
    1     runner   STOP: hand back what has not begun
    2     runner   DRAINING: the job is being stopped (`ctx.draining`)
    3     both     SYNCED: bytes of the segment known to be synced
    4     worker   STARTED: when the attempt that runs now began, in ns of the monotonic clock; 0: none that is timed
    5     runner   CREDIT: items that may fail in this worker's life before it asks
    6     worker   FAILED: items that failed in this worker's life; stored before CREDIT is read
    7     runner   CLEAN: ns of the monotonic clock; every record that was written before then is synced

Where items are begun together (`batch`, `concurrency`), word 0 stays 0 and the line goes on with so many lanes, each of
which runs one chunk at a time, call by call:

    word  writer   meaning
    0     worker   KEY: the chunk's; 0: none
    1     worker   PART: of the call begun last, its first item's place in the chunk in the low half, its count in the
                   rest
    2     worker   FROM: bytes of the segment before any record of this chunk that was not acknowledged
    3     worker   SINCE: when that call began, in ns of the monotonic clock, made even; 0: none that is timed runs;
                   odd: its time was up, and it was told to end

Each word is stored by a single move, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
from itertools import count
from operator import add
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BEGUN: Final = 0
STOP: Final = 1
DRAINING: Final = 2
SYNCED: Final = 3
STARTED: Final = 4
CREDIT: Final = 5
FAILED: Final = 6
CLEAN: Final = 7
_WORDS: Final = 8
_LANE_WORDS: Final = 4
_HALF: Final = 32
_POSITION_BITS: Final = 40
_POSITION_MASK: Final = (1 << _POSITION_BITS) - 1
_SERIALS: Final = 1 << 24

Line = memoryview


def new_line(lanes: int = 0) -> Line:
    """A line that processes forked from here on share."""
    words = _WORDS + lanes * _LANE_WORDS
    return memoryview(mmap.mmap(-1, words * 8)).cast("Q")[:words]


class Beginnings:
    """Numbers the attempts of a worker's life, so that no two words in a row are the same."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 1

    def words(self, ns: Sequence[int]) -> Iterator[int]:
        """What the worker writes before each attempt, when the items at `ns` begin one after the other."""
        first = self._next if self._next + len(ns) < _SERIALS else 0
        self._next = first + len(ns)
        return map(add, ns, count((first << _POSITION_BITS) + 1, 1 << _POSITION_BITS))


def begun_position(word: int) -> int | None:
    """The position of the item begun last; None if the worker has begun nothing."""
    return (word & _POSITION_MASK) - 1 if word else None


class Lane:
    """What a line says of one lane."""

    __slots__ = ("_line", "_word")

    def __init__(self, line: Line, number: int) -> None:
        self._line = line
        self._word = _WORDS + number * _LANE_WORDS

    # ------------------------------------------------------------------ the worker's

    def begin(self, key: int, size: int) -> None:
        """A chunk begins, when the segment has so many bytes."""
        line, word = self._line, self._word
        line[word + 1], line[word + 2], line[word + 3] = 0, size, 0
        line[word] = key

    def call(self, first: int, count: int) -> None:
        """A call of these items of the chunk begins."""
        self._line[self._word + 1] = count << _HALF | first

    def time(self, now: int) -> None:
        """Its time runs from `now`, ns of the monotonic clock; 0: it has ended."""
        self._line[self._word + 3] = now & ~1

    def late(self) -> None:
        """Its time was up, and it was told to end."""
        if since := self._line[self._word + 3]:
            self._line[self._word + 3] = since | 1

    def told(self, size: int) -> None:
        """The runner was told of everything that the segment had up to this size."""
        self._line[self._word + 2] = size

    def end(self) -> None:
        """The runner was told of the end of the chunk."""
        self._line[self._word] = 0

    # ------------------------------------------------------------------ the runner's

    @property
    def key(self) -> int:
        """The chunk; 0: none."""
        return self._line[self._word]

    @property
    def part(self) -> range:
        """The places of the items of the call begun last."""
        return part_of(self._line[self._word + 1])

    @property
    def start(self) -> int:
        """Bytes of the segment before any record of the chunk that was not acknowledged."""
        return self._line[self._word + 2]

    @property
    def since(self) -> int:
        """When the call began; 0: none that is timed runs; odd: its time was up, and it was told to end."""
        return self._line[self._word + 3]


def calls(line: Line) -> Iterator[tuple[int, int]]:
    """Of each lane its chunk's key and the word of the call begun last, all read at once."""
    return zip(line[_WORDS::_LANE_WORDS].tolist(), line[_WORDS + 1 :: _LANE_WORDS].tolist(), strict=True)


def part_of(word: int) -> range:
    """The places in its chunk of the items of a call, by its word."""
    first = word & ((1 << _HALF) - 1)
    return range(first, first + (word >> _HALF))


def lanes(line: Line) -> list[Lane]:
    """The lanes of a line."""
    return [Lane(line, number) for number in range((len(line) - _WORDS) // _LANE_WORDS)]
