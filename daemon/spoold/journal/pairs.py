"""Pairs of numbers put in order on the disk, so that a million of them take no memory."""

from __future__ import annotations

import os
import tempfile
from array import array
from heapq import merge
from typing import IO, TYPE_CHECKING, Final

from spoold.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 1 << 15
"""Pairs sorted in memory at a time."""
_BUFFER: Final = 1 << 9
"""Pairs of each sorted piece held while merging."""
_SIZE: Final = 16
"""Bytes of a pair."""


class Pairs:
    """Pairs of numbers below 2**64, given in any order and read back in theirs.

    What is more than a piece goes to a file without a name.
    """

    def __init__(self, directory: str) -> None:
        """Begin with none; the file is made in `directory` when it is needed."""
        self._directory = directory
        self._held: list[tuple[int, int]] = []
        self._file: IO[bytes] | None = None
        self._ends: list[int] = []  # of the sorted pieces, in pairs

    def add(self, first: int, second: int) -> None:
        """Take in a pair.

        Raises:
            JournalError: there is no room.
        """
        self._held.append((first, second))
        if len(self._held) >= _PIECE:
            self._put_down()

    def _put_down(self) -> None:
        self._held.sort()
        flat = array("Q", [number for pair in self._held for number in pair])
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - lives as long as this
            self._file.write(flat)
            self._file.flush()
        except OSError as error:
            raise JournalError(
                f"no room for a scratch file: {error.strerror}", where=self._directory, remedy="make room"
            ) from error
        self._ends.append((self._ends[-1] if self._ends else 0) + len(self._held))
        self._held = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The pairs in order; nothing is added any more."""
        self._held.sort()
        pieces = [self._piece(start, end) for start, end in zip([0, *self._ends], self._ends, strict=False)]
        return merge(*pieces, self._held) if pieces else iter(self._held)

    def _piece(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """One sorted piece, a buffer at a time."""
        assert self._file is not None
        while start < end:
            count = min(_BUFFER, end - start)
            flat = array("Q", os.pread(self._file.fileno(), _SIZE * count, _SIZE * start))
            start += count
            yield from zip(flat[::2], flat[1::2], strict=True)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
