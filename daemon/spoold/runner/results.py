"""The lines of results.jsonl, made of the records of what was done."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from typing import IO, Final

from spoold.journal.format import MAX_N
from spoold.journal.history import History
from spoold.journal.order import Order
from spoold.journal.shape import AsResults
from spoold.system.helper import fork_helper

_GOOD: Final = ("ok", "kept")
_MANY: Final = 50_000
"""Results of which two processes make one half each."""
_BUFFER: Final = 1 << 20


def results(journal: str, history: History) -> Iterator[bytes]:
    """The lines, in source order.

    Raises:
        JournalError: the journal can't be read.
    """
    with Order(journal, history, _GOOD, AsResults()) as order:
        for _, lines in order.pieces():
            yield from filter(None, lines)


def write_results(file: IO[bytes], journal: str, history: History) -> None:
    """Write the lines to an empty file; if they are many, with the help of a second process.

    Raises:
        JournalError: the journal can't be read.
        OSError: the file can't be written.
    """
    with Order(journal, history, _GOOD, AsResults()) as order:
        if history.results < _MANY:
            file.writelines(_lines(order))
        else:
            _write_halves(file, order, os.path.dirname(journal))


def _write_halves(file: IO[bytes], order: Order, directory: str) -> None:
    """Write the first half while a helper writes the second to a file without a name; then put that behind it."""
    middle = order.wanted[len(order.wanted) // 2]
    with tempfile.TemporaryFile(dir=directory, buffering=0) as rest:

        def write_rest() -> None:
            with open(rest.fileno(), "wb", buffering=_BUFFER, closefd=False) as out:
                out.writelines(_lines(order, low=middle))

        helper, status = fork_helper(write_rest), -1
        try:
            file.writelines(_lines(order, high=middle))
            file.flush()
        except BaseException:
            os.kill(helper, signal.SIGKILL)
            raise
        finally:
            status = os.waitpid(helper, 0)[1]
        if status == 0:
            _append(file.fileno(), rest.fileno())
        else:
            file.writelines(_lines(order, low=middle))  # or this says what is wrong


def _append(to: int, source: int) -> None:
    """Copy a whole file to where another's descriptor is."""
    at, size = 0, os.fstat(source).st_size
    while at < size:
        at += os.sendfile(to, source, at, size - at)


def _lines(order: Order, low: int = 0, high: int = MAX_N + 1) -> Iterator[bytes]:
    """The lines of items from `low` to `high - 1`, many together."""
    for _, lines in order.pieces(low, high):
        yield b"".join(lines)
