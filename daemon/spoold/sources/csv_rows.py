"""Reads the rows of a CSV stream one by one, so that a broken row costs itself only.

A row may span lines, within quotes. When a row is broken, usually by a quote that is never closed, what the parser
took for the rest of it is read again: only the line the row began on is given up, never the rest of the file. What is
held is one block and one row.
"""

from __future__ import annotations

import csv
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spoold.errors import SourceError
from spoold.sources.base import FAULT_BYTES
from spoold.sources.encode import decode_texts
from spoold.sources.split import Lines, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW_LIMIT: Final = 8 * 1024 * 1024
"""Characters of one row; the parser needs four bytes for each."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written; names and meaning are those of the csv module.

    Attributes:
        quotechar: empty or None where nothing is quoted.
        strict: a stray or unclosed quote breaks its row; otherwise it is taken as it comes.
    """

    delimiter: str = ","
    quotechar: str | None = '"'
    escapechar: str | None = None
    doublequote: bool = True
    skipinitialspace: bool = False
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that can't be read: why, and the line it began on."""

    reason: str
    text: str


class _TooLongError(Exception):
    """A row went over the limit."""


class _Feed:
    """Gives the parser lines, and remembers those of the present row."""

    def __init__(self, lines: Iterator[Lines], limit: int) -> None:
        self.number = 0
        self._blocks = lines
        self._limit = limit
        self._ahead: deque[str] = deque()
        self._long: dict[int, int] = {}
        self._row: list[str] = []
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._ahead:
            self._refill()
        line = self._ahead.popleft()
        self.number += 1
        self._row.append(line)
        self.size += len(line)
        length = self._long.get(self.number, 0)
        if length:
            raise _TooLongError(too_long(length, self._limit))
        if self.size > self._limit:
            raise _TooLongError(f"the row is longer than {self._limit} characters; is a quote never closed?")
        return line

    def begin(self) -> None:
        """A new row begins."""
        self._row.clear()
        self.size = 0

    def give_up(self) -> str:
        """Keeps the row's other lines to be read again; returns the line it began on."""
        first, *others = self._row
        self._ahead.extendleft(reversed(others))
        self.number -= len(others)
        return first

    def _refill(self) -> None:
        block = next(self._blocks)
        self._long = {block.first + index: length for index, length in block.long.items()}
        self._ahead.extend([text + "\n" for text in decode_texts(block.texts)])


@contextmanager
def _field_limit(limit: int) -> Iterator[None]:
    """Lets fields be as long as rows may be. The csv module has one limit for the whole process, so it is put back."""
    before = csv.field_size_limit(limit)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class Rows:
    """The rows of a CSV stream, each with the line it begins on."""

    def __init__(self, lines: Iterator[Lines], dialect: Dialect, limit: int = ROW_LIMIT) -> None:
        self._limit = limit
        self._error: SourceError | None = None
        self._feed = _Feed(lines, limit)
        self._reader = csv.reader(
            self._feed,
            delimiter=dialect.delimiter,
            quotechar=dialect.quotechar or None,
            escapechar=dialect.escapechar,
            doublequote=dialect.doublequote,
            skipinitialspace=dialect.skipinitialspace,
            strict=dialect.strict,
            quoting=csv.QUOTE_MINIMAL if dialect.quotechar else csv.QUOTE_NONE,
        )

    def take(self, count: int, size: int) -> list[tuple[int, list[str] | Broken]]:
        """The next rows: at most `count`, and no more once they have `size` characters together.

        Blank lines are no rows. An empty list means that none is left.

        Raises:
            SourceError: the stream can't be read on; the rows before that were given by the calls before.
        """
        if self._error is not None:
            raise self._error
        rows: list[tuple[int, list[str] | Broken]] = []
        taken = 0
        with _field_limit(self._limit):
            while len(rows) < count and taken < size:
                self._feed.begin()
                line = self._feed.number + 1
                try:
                    row = next(self._reader)
                except StopIteration:
                    break
                except (csv.Error, _TooLongError) as error:
                    rows.append((line, Broken(str(error), self._feed.give_up()[:FAULT_BYTES])))
                except SourceError as error:
                    if not rows:
                        raise
                    self._error = error
                    break
                else:
                    taken += self._feed.size
                    if row:
                        rows.append((line, row))
        return rows
