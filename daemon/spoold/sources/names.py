"""Sorts the names in a directory, however many, in bounded memory.

Up to RUN names are sorted in memory. Beyond that, sorted runs go to an unlinked temporary file and are merged as they
are read back.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

from spoold.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RUN: Final = 65_536
"""Names sorted at a time."""
_READ: Final = 4096  # bytes read at once of each run
_END: Final = b"/"  # the one byte besides NUL that no name holds


def sorted_names(names: Iterable[bytes], *, run: int = RUN) -> Iterator[bytes]:
    """The names in the order of their bytes, which is also the order of their characters.

    Raises:
        SourceError: the temporary file can't be written.
    """
    rest = iter(names)
    first = sorted(islice(rest, run))
    second = sorted(islice(rest, run))
    if not second:
        yield from first
        return
    with _scratch() as file:
        fd = file.fileno()
        spans = [_spill(fd, 0, first)]
        while second:
            spans.append(_spill(fd, spans[-1][1], second))
            second = sorted(islice(rest, run))
        del first
        yield from heapq.merge(*(_run(fd, low, high) for low, high in spans))


def _spill(fd: int, at: int, names: list[bytes]) -> tuple[int, int]:
    """Writes one sorted run at an offset; returns where it begins and ends."""
    view = memoryview(b"".join(name + _END for name in names))
    end = at + len(view)
    done = at
    try:
        while done < end:
            done += os.pwrite(fd, view[done - at :], done)
    except OSError as error:
        raise _no_room(error) from None
    return at, end


def _run(fd: int, low: int, high: int) -> Iterator[bytes]:
    """The names of one run."""
    rest = b""
    while low < high:
        data = os.pread(fd, min(_READ, high - low), low)
        assert data, "nobody else holds an unlinked file, so nobody cuts it short"
        low += len(data)
        *names, rest = (rest + data).split(_END)
        yield from names


def _scratch() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> SourceError:
    return SourceError(
        f"no temporary file to sort a large directory's names: {error.strerror}",
        where="source glob",
        remedy="make room there or set TMPDIR",
    )
